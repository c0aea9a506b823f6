// Latencies of the last seconds, and their percentiles.

const KEPT = 2_048;

/** What is older than this (or younger than now by it) is played again, or its clock is another: its age is no latency. */
const REPLAYED_MS = 60_000;

/** Keeps the newest values with the moment they were taken. */
export class Latency {
  #values = new Float64Array(KEPT);
  #moments = new Float64Array(KEPT).fill(-Infinity);
  #next = 0;
  #replayedAt = -Infinity;

  /** Takes a value, both in ms. */
  add(value, now) {
    if (!Number.isFinite(value)) return;
    if (Math.abs(value) > REPLAYED_MS) {
      this.#replayedAt = now;
      return;
    }
    this.#values[this.#next] = value;
    this.#moments[this.#next] = now;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Whether what came in the last `span` ms was all played again. */
  replayed(now, span = 5_000) {
    return now - this.#replayedAt < span && Number.isNaN(this.percentiles(now, span).p50);
  }

  /** `{p50, p95}` of what was taken in the last `span` ms; NaN where there was nothing. */
  percentiles(now, span = 5_000) {
    const recent = this.#values.filter((_, index) => this.#moments[index] > now - span).sort();
    const at = (part) => (recent.length ? recent[Math.min(recent.length - 1, Math.floor(part * recent.length))] : NaN);
    return { p50: at(0.5), p95: at(0.95) };
  }
}
