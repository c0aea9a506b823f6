// The track's line: it emerges from the positions driven.

const MOST_SEGMENTS = 24_000;
const LONGEST_STEP_MS = 3_000;
const FASTEST_MPS = 140;

/** Every patch of ground driven over once, as one path in metres, and its bounds. */
export class Track {
  #visited = new Set();
  #segments = 0;
  #last = new Map(); // vehicle id -> {x, y, time} where its line goes on
  #cell = 2;

  constructor() {
    this.path = new Path2D();
    this.bounds = null;
    this.version = 0;
  }

  /** A vehicle came to `position` at `time` (source time, ms). */
  extend(id, [x, y], time) {
    this.#grow(x, y);
    const last = this.#last.get(id);
    if (!last) {
      this.#last.set(id, { x, y, time });
      return;
    }
    const length = Math.hypot(x - last.x, y - last.y);
    if (length < this.#cell) return;
    const elapsed = time - last.time;
    const drove = elapsed < LONGEST_STEP_MS && length < Math.max(20, (FASTEST_MPS * elapsed) / 1000);
    if (drove && this.#segments < MOST_SEGMENTS && this.#visit(x, y)) {
      this.path.moveTo(last.x, last.y);
      this.path.lineTo(x, y);
      this.#segments += 1;
      this.version += 1;
    }
    this.#last.set(id, { x, y, time });
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
    this.#cell = Math.max(2, Math.max(right - left, top - bottom) / 600);
    this.version += 1;
  }
}
