// Counters into rates, and numbers that people read.

import { number } from '../format.js';

/** Windows tell in bursts: over so many milliseconds a rate forgets most of what was before. */
const MEMORY_MS = 2_500;
/** What is left of a rate long after nothing came. */
const NOTHING = 0.05;

/** What grew between two looks, per second, smoothed so that numbers can be read. */
export class Rates {
  #before = new Map(); // name -> {value, at, rate}

  /** The rate of the counter `name`, which stood at `value` at `at` (ms); NaN until it was seen twice. */
  rate(name, value, at) {
    const before = this.#before.get(name);
    if (!Number.isFinite(value)) return NaN;
    // A counter that fell belongs to a pipeline that began anew.
    if (!before || value < before.value) {
      this.#before.set(name, { value, at, rate: NaN });
      return NaN;
    }
    if (at - before.at < 200) return before.rate;
    const now = ((value - before.value) * 1_000) / (at - before.at);
    const smooth = before.rate + (now - before.rate) * (1 - Math.exp((before.at - at) / MEMORY_MS));
    const rate = Number.isNaN(smooth) ? now : smooth < NOTHING ? 0 : smooth;
    this.#before.set(name, { value, at, rate });
    return rate;
  }

  /** Forgets everything: another pipeline is looked at. */
  clear() {
    this.#before.clear();
  }
}

/** A count: `950`, `12.3 k`, `4.56 M`. */
export function count(value) {
  if (!Number.isFinite(value)) return number(NaN);
  if (value >= 1e9) return `${number(value / 1e9, 2)} G`;
  if (value >= 1e6) return `${number(value / 1e6, 2)} M`;
  if (value >= 1e4) return `${number(value / 1e3, 1)} k`;
  return number(value, 0);
}

/** A rate: `0`, `0.4`, `27`, `12.3 k`. */
export function perSecond(value) {
  return value > 0 && value < 10 ? number(value, 1) : count(value);
}

/** Bytes: `512 B`, `3.2 KiB`, `1.5 MiB`. */
export function bytes(value) {
  if (!Number.isFinite(value)) return number(NaN);
  for (const [size, unit] of [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']]) if (value >= size) return `${number(value / size, 1)} ${unit}`;
  return `${number(value)} B`;
}

/** A duration given in nanoseconds: `85 ns`, `1.2 µs`, `3.4 ms`. */
export function nanos(value) {
  if (!Number.isFinite(value)) return number(NaN);
  for (const [size, unit] of [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']]) if (value >= size) return `${number(value / size, value < size * 10 ? 1 : 0)} ${unit}`;
  return `${number(value)} ns`;
}

/** A duration given in seconds: `0.4 s`, `12 s`, `3 min`, `5.2 h`, `4 d`. */
export function seconds(value) {
  if (!Number.isFinite(value)) return number(NaN);
  for (const [size, unit] of [[86_400, 'd'], [3_600, 'h'], [60, 'min']]) if (value >= size * 2) return `${number(value / size, value < size * 10 ? 1 : 0)} ${unit}`;
  return `${number(value, value < 10 ? 1 : 0)} s`;
}
