// The track's line: it emerges from the positions driven.

const MOST_SEGMENTS = 16_000;
const LONGEST_STEP_MS = 3_000;
const FASTEST_MPS = 140;
const NOISE_M = 20;
const LEAST_CELL_M = 4;

/** Every patch of ground driven over once, as segments in metres, and their bounds. */
export class Track {
  #visited = new Set();
  #last = new Map(); // vehicle id -> {x, y, time} where its line goes on
  #believed = new Map(); // vehicle id -> {x, y, time}, its newest position that can be, and `held`, one that cannot
  #cell = LEAST_CELL_M;

  constructor() {
    this.segments = []; // x0, y0, x1, y1 of each; only ever grows
    this.bounds = null;
    this.shape = 0; // Counts changes of the bounds.
  }

  /** A vehicle came to `position` at `time` (source time, ms). A position nobody reaches in the time waits for the next one. */
  extend(id, [x, y], time) {
    if (!this.#believes(id, x, y, time)) return;
    this.#grow(x, y);
    const last = this.#last.get(id);
    if (!last) {
      this.#last.set(id, { x, y, time });
      return;
    }
    const length = Math.hypot(x - last.x, y - last.y);
    if (length < this.#cell) return;
    const elapsed = time - last.time;
    const drove = elapsed < LONGEST_STEP_MS && length < Math.max(NOISE_M, (FASTEST_MPS * elapsed) / 1000);
    if (drove && this.segments.length < MOST_SEGMENTS * 4 && this.#visit(x, y)) this.segments.push(last.x, last.y, x, y);
    Object.assign(last, { x, y, time });
  }

  #believes(id, x, y, time) {
    const now = { x, y, time, held: null };
    const reach = (from) => Math.hypot(x - from.x, y - from.y) <= NOISE_M + (FASTEST_MPS * Math.max(0, time - from.time)) / 1000;
    const believed = this.#believed.get(id);
    if (!believed || reach(believed)) {
      this.#believed.set(id, now);
      return true;
    }
    if (believed.held && reach(believed.held)) {
      // It goes on over there: what was believed before may have been the stray one.
      this.#believed.set(id, now);
      this.#last.delete(id);
      this.#fitAgain();
      return true;
    }
    believed.held = now;
    return false;
  }

  /** The bounds of what was driven and of where everybody is. */
  #fitAgain() {
    this.bounds = null;
    for (let i = 0; i < this.segments.length; i += 2) this.#grow(this.segments[i], this.segments[i + 1]);
    for (const { x, y } of this.#believed.values()) this.#grow(x, y);
  }

  #visit(x, y) {
    const key = `${Math.round(x / this.#cell)},${Math.round(y / this.#cell)}`;
    if (this.#visited.has(key)) return false;
    this.#visited.add(key);
    return true;
  }

  #grow(x, y) {
    const b = this.bounds;
    if (b && x >= b.left && x <= b.right && y >= b.bottom && y <= b.top) return;
    this.bounds = {
      left: Math.min(x, b?.left ?? x),
      right: Math.max(x, b?.right ?? x),
      bottom: Math.min(y, b?.bottom ?? y),
      top: Math.max(y, b?.top ?? y),
    };
    const { left, right, bottom, top } = this.bounds;
    this.#cell = Math.max(LEAST_CELL_M, Math.max(right - left, top - bottom) / 300);
    this.shape += 1;
  }
}
