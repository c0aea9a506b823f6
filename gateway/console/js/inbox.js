// Frames that arrived and wait for the next animation frame.

const LEAST_BUDGET_MS = 9;
const MOST_BUDGET_MS = 400;
const MOST_WAITING = 20_000;

/** A queue between the socket, which delivers when it likes, and the page, which works once per frame. */
export class Inbox {
  #waiting = [];

  constructor() {
    this.received = 0;
    this.bytes = 0;
    this.overrun = 0;
  }

  /** Takes a frame's text; the oldest go where a sleeping tab left too many. */
  put(text) {
    this.received += 1;
    this.bytes += text.length;
    this.#waiting.push(text);
    if (this.#waiting.length > MOST_WAITING) {
      this.#waiting.splice(0, MOST_WAITING / 2);
      this.overrun += MOST_WAITING / 2;
    }
  }

  /**
   * Parses and hands over what waits, for at most half of `elapsed`, the time since the last call (ms): what
   * arrives is kept up with however slow drawing is, and the rest stays for the next frame.
   */
  drain(take, elapsed) {
    const until = performance.now() + Math.min(MOST_BUDGET_MS, Math.max(LEAST_BUDGET_MS, elapsed / 2));
    let done = 0;
    while (done < this.#waiting.length) {
      let frame;
      try {
        frame = JSON.parse(this.#waiting[done]);
      } catch {
        frame = null; // Not JSON: nothing this page can use, and no reason to stop.
      }
      done += 1;
      if (frame) take(frame);
      if (done % 64 === 0 && performance.now() > until) break;
    }
    if (done === this.#waiting.length) this.#waiting.length = 0;
    else this.#waiting.splice(0, done);
    return done;
  }

  /** How many wait. */
  get depth() {
    return this.#waiting.length;
  }
}
