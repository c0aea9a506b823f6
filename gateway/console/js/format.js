// Numbers for reading.

const MINUS = '\u2212';
const NONE = '\u2013';

/** A lap time: `1:32.415`, or a dash. */
export function lapTime(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  const whole = Math.round(seconds * 1000);
  const minutes = Math.floor(whole / 60_000);
  const rest = ((whole % 60_000) / 1000).toFixed(3);
  return minutes ? `${minutes}:${rest.padStart(6, '0')}` : rest;
}

/** A gap: `+0.412`, or a dash. */
export function gap(seconds) {
  return Number.isFinite(seconds) ? `+${seconds.toFixed(3)}` : NONE;
}

/** A number with `digits` decimals, thin-spaced thousands; a dash where there is none. */
export function number(value, digits = 0) {
  if (!Number.isFinite(value)) return NONE;
  const [whole, part] = Math.abs(value).toFixed(digits).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, '\u2009');
  return `${value < 0 ? MINUS : ''}${grouped}${part ? `.${part}` : ''}`;
}

/** As many decimals as help at this size. */
export function reading(value) {
  const size = Math.abs(value);
  return number(value, Number.isInteger(value) || size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3);
}

/** Metres per second as km/h. */
export function kmh(metresPerSecond) {
  return number(metresPerSecond * 3.6, 0);
}

/** Milliseconds: `4`, `0.8`, `1 200`. */
export function millis(value) {
  return number(value, Math.abs(value) < 10 ? 1 : 0);
}

/** At most about `count` round numbers from `low` to `high`. */
export function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.floor((high - first) / step + 1e-9) + 1 }, (_, k) => Number((first + k * step).toPrecision(12)));
}
