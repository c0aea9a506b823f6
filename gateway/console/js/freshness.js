// Which publications are news: only their age tells about the connection.

const TOLERANCE_MS = 25;
const GIVE_UP_MS = 5_000;

/** Tells news from history (what a new subscription or a reconnect brought back), by the server's clock alone. */
export class Freshness {
  #newest = -Infinity;
  #heardAt = NaN;

  /** Whether a publication that the server received at `server` and this page at `local` (ms) is news. */
  isNews(server, local) {
    // A server's clock that was set back would make everything old for ever.
    if (local - this.#heardAt > GIVE_UP_MS) this.#newest = -Infinity;
    if (!(server >= this.#newest - TOLERANCE_MS)) return false;
    this.#newest = Math.max(this.#newest, server);
    this.#heardAt = local;
    return true;
  }

  /** The connection came back at `local`: what the server received until now is history. */
  reopened(local) {
    if (!Number.isFinite(this.#newest)) return;
    this.#newest += local - this.#heardAt;
    this.#heardAt = local;
  }
}
