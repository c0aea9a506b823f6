// Laps and their times: the server's, and nobody else's.

import { Api, Refused } from './api.js';

const EVERY_MS = 2_000;
/** Sessions asked for at a time; the others take turns. */
const MOST_ASKED = 6;

/** Asks for the numbers of sessions that no channel brings here. */
export class Results {
  #api = new Api();
  #next = NaN;
  #busy = false;
  #turn = 0;

  /** `onMetrics(session, metrics)` for each answer. */
  constructor(onMetrics) {
    this.onMetrics = onMetrics;
    this.closed = new Set(); // Sessions this token may not see.
  }

  /** The token to ask with. */
  use(token) {
    this.#api.token = token;
    this.closed.clear();
  }

  /** Asks for some of `sessions` where it is time. */
  async ask(sessions, now) {
    const open = sessions.filter((id) => !this.closed.has(id));
    if (!open.length) return;
    // A session that was just heard of may have no numbers yet.
    if (Number.isNaN(this.#next)) this.#next = now + EVERY_MS;
    if (this.#busy || now < this.#next) return;
    this.#next = now + EVERY_MS;
    this.#busy = true;
    const asked = open.length <= MOST_ASKED ? open : Array.from({ length: MOST_ASKED }, (_, i) => open[(this.#turn + i) % open.length]);
    this.#turn += MOST_ASKED;
    await Promise.all(asked.map((id) => this.#one(id)));
    this.#busy = false;
  }

  async #one(id) {
    try {
      this.onMetrics(id, await this.#api.get(`/api/sessions/${encodeURIComponent(id)}/metrics`));
    } catch (error) {
      if (error instanceof Refused && [401, 403].includes(error.status)) this.closed.add(id);
    }
  }
}
