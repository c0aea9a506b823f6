// One WebSocket to the server that comes back by itself.

import { backoff } from './backoff.js';
import { closing } from './closing.js';
import { addressOf } from './place.js';

const PING_EVERY_MS = 4_000;
const SILENCE_MS = 12_000;
const SETTLED_MS = 3_000;

/**
 * Phases: `idle` (no token), `connecting`, `live`, `waiting` (an attempt is due at `retryAt`),
 * `refused` (the token is not taken), `stopped` (the server said not to come back).
 */
export class Connection {
  #token = '';
  #socket = null;
  #timer = 0;
  #pinger = 0;
  #attempt = 0;
  #openedAt = 0;
  #heardAt = 0;
  #pings = new Map();
  #nextPing = 1;

  /** Callbacks: `onState(state)`, `onOpen()`, `onText(text)`; `roundTrip` is the newest ping's, ms. */
  constructor({ onState, onOpen, onText }) {
    this.onState = onState;
    this.onOpen = onOpen;
    this.onText = onText;
    this.state = { phase: 'idle', why: '', retryAt: 0 };
    this.roundTrip = NaN;
    this.reconnects = 0;
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
  }

  /** Connects with `token`, dropping whatever connection there is. */
  open(token) {
    this.#token = token;
    this.#attempt = 0;
    this.#drop();
    if (token) this.#connect();
    else this.#tell('idle');
  }

  /** Tries again at once. */
  retry() {
    this.#attempt = 0;
    this.#drop();
    this.#connect();
  }

  /** Sends a frame; false where there is no open connection. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Takes in a `pong`. */
  pong(id) {
    const sent = this.#pings.get(id);
    if (sent !== undefined) this.roundTrip = performance.now() - sent;
    this.#pings.delete(id);
  }

  #tell(phase, why = '', retryAt = 0) {
    this.state = { phase, why, retryAt };
    this.onState(this.state);
  }

  #hurry() {
    if (this.state.phase === 'waiting') this.retry();
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#pinger);
    const socket = this.#socket;
    this.#socket = null; // Its events are ignored from here on.
    socket?.close(1000);
  }

  #connect() {
    this.#tell('connecting', this.state.why);
    const address = addressOf('/ws');
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    address.searchParams.set('token', this.#token);
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#openedAt = 0;
    const current = (handler) => (event) => this.#socket === socket && handler(event);
    socket.onopen = current(() => this.#opened());
    socket.onmessage = current((event) => {
      this.#heardAt = performance.now();
      this.onText(event.data);
    });
    socket.onclose = current((event) => this.#closed(event.code));
  }

  #opened() {
    this.#openedAt = this.#heardAt = performance.now();
    this.#pings.clear();
    this.#pinger = setInterval(() => this.#watch(), PING_EVERY_MS);
    this.#tell('live');
    this.onOpen();
    this.#ping();
  }

  #ping() {
    const id = this.#nextPing++;
    this.#pings.set(id, performance.now());
    this.send({ type: 'ping', id });
  }

  /** A connection can die without a word (a laptop's lid, a pulled cable): silence ends it. */
  #watch() {
    const now = performance.now();
    if (now - this.#openedAt > SETTLED_MS) this.#attempt = 0;
    if (now - this.#heardAt > SILENCE_MS) {
      this.#drop();
      this.#lost('Nothing was heard from the server');
    } else this.#ping();
  }

  async #closed(code) {
    clearInterval(this.#pinger);
    const opened = this.#openedAt > 0;
    if (opened && performance.now() - this.#openedAt > SETTLED_MS) this.#attempt = 0;
    const { why, retry, token } = closing(code);
    const socket = this.#socket;
    this.#socket = null;
    if (token) return this.#tell('refused', why);
    if (!retry) return this.#tell('stopped', why);
    if (opened) return this.#lost(why);
    // A browser does not say why an upgrade failed: ask over HTTP whether it was the token.
    const refused = await this.#tokenRefused();
    if (this.#socket !== null || this.state.phase !== 'connecting' || socket === null) return undefined;
    return refused ? this.#tell('refused', 'The server did not take the token') : this.#lost('The server cannot be reached');
  }

  async #tokenRefused() {
    try {
      const headers = { authorization: `Bearer ${this.#token}` };
      const answer = await fetch(addressOf('/api/status'), { headers, cache: 'no-store', signal: AbortSignal.timeout(4_000) });
      return answer.status === 401;
    } catch {
      return false;
    }
  }

  #lost(why) {
    this.roundTrip = NaN;
    this.reconnects += 1;
    const wait = backoff(this.#attempt++);
    this.#tell('waiting', why, Date.now() + wait);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}
