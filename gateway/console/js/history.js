// The last minute of one vehicle's signals, in columns.

const SPAN_MS = 65_000;
const FIRST_CAPACITY = 256;
const LARGEST_CAPACITY = 16_384;

import { numeric } from './signals.js';

/** Samples in order of source time; `time` and every column share the indices `start` to `end`. */
export class History {
  #columns = new Map();
  #capacity = FIRST_CAPACITY;

  constructor() {
    this.time = new Float64Array(FIRST_CAPACITY);
    this.start = 0;
    this.end = 0;
  }

  /** Takes a sample in its place by source time (ms); a time seen already changes nothing. */
  add(time, signals) {
    if (this.end === this.#capacity) this.#makeRoom();
    let at = this.end;
    if (at > this.start && time <= this.time[at - 1]) {
      at = this.#place(time);
      if (this.time[at] === time || time < this.time[this.end - 1] - SPAN_MS) return false;
      this.#open(at);
    }
    this.end += 1;
    this.time[at] = time;
    for (const name in signals) {
      const value = numeric(signals[name]);
      if (value === value) this.#column(name)[at] = value; // NaN alone differs from itself.
    }
    const oldest = this.time[this.end - 1] - SPAN_MS;
    while (this.time[this.start] < oldest) this.start += 1;
    return true;
  }

  /** Source time of the newest sample, ms; NaN while empty. */
  get newest() {
    return this.end > this.start ? this.time[this.end - 1] : NaN;
  }

  /** First index whose time is not before `time`. */
  from(time) {
    return this.#place(time);
  }

  /** A signal's column (NaN where a sample had none), or undefined. */
  column(name) {
    return this.#columns.get(name);
  }

  /** Names seen so far. */
  names() {
    return this.#columns.keys();
  }

  #place(time) {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #column(name) {
    let column = this.#columns.get(name);
    if (column === undefined) {
      column = new Float64Array(this.#capacity).fill(NaN);
      this.#columns.set(name, column);
    }
    return column;
  }

  #open(at) {
    this.time.copyWithin(at + 1, at, this.end);
    for (const column of this.#columns.values()) {
      column.copyWithin(at + 1, at, this.end);
      column[at] = NaN;
    }
  }

  /** Moves what is kept to the front, into larger columns where it would soon be full again. */
  #makeRoom() {
    if (this.start === 0 && this.#capacity === LARGEST_CAPACITY) this.start = LARGEST_CAPACITY / 4;
    const kept = this.end - this.start;
    if (kept > this.#capacity / 2 && this.#capacity < LARGEST_CAPACITY) this.#capacity *= 2;
    const moved = (old) => {
      const column = new Float64Array(this.#capacity).fill(NaN);
      column.set(old.subarray(this.start, this.end));
      return column;
    };
    this.time = moved(this.time);
    for (const [name, column] of this.#columns) this.#columns.set(name, moved(column));
    this.start = 0;
    this.end = kept;
  }
}
