// Lap times from the lap signals of one vehicle's samples.

/** Counts laps by the source's `lap` number and times them by source time. */
export class Laps {
  #startedAt = NaN;

  constructor() {
    this.lap = null;
    this.last = null;
    this.best = null;
    this.distance = 0;
  }

  /** Takes a sample: `time` in ms, `lap` and, where there is one, the running `lap_time_s`. */
  add(time, signals) {
    this.distance = signals.lap_dist_m ?? this.distance;
    const lap = signals.lap;
    if (!Number.isFinite(lap)) return;
    const running = signals.lap_time_s;
    const start = Number.isFinite(running) ? time - running * 1000 : NaN;
    if (this.lap !== null && lap === this.lap + 1) this.#finish(Number.isFinite(start) ? start : time);
    else if (lap !== this.lap) this.#startedAt = start; // Joined in the middle: known only if the source says so.
    this.lap = lap;
  }

  #finish(crossed) {
    const seconds = (crossed - this.#startedAt) / 1000;
    this.#startedAt = crossed;
    if (!(seconds > 0)) return;
    this.last = seconds;
    this.best = Math.min(this.best ?? Infinity, seconds);
  }
}
