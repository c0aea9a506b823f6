// Several vehicles' samples on one time axis, as the plotting library wants them.

/** In `rows`: this vehicle has no sample at this time, and its line goes through. */
const NONE = -1;
/** In `rows`: this vehicle was silent here, and its line is broken. */
const BREAK = -2;
/** A silence this long is shown as a hole, ms. */
const HOLE_MS = 1_500;

/**
 * Merges the histories from source time `fromMs` on. Gives `x` (seconds) and for each history `rows`: the index
 * of its sample at each x, `-1` for none, `-2` for a hole.
 */
export function align(histories, fromMs) {
  const heads = histories.map((history) => Math.max(history.start, history.from(fromMs) - 1));
  const rows = histories.map(() => []);
  const x = [];
  const row = (time, pick) => {
    x.push(time / 1000);
    histories.forEach((history, k) => rows[k].push(pick(history, k)));
  };
  for (;;) {
    let time = Infinity;
    histories.forEach((history, k) => heads[k] < history.end && (time = Math.min(time, history.time[heads[k]])));
    if (time === Infinity) return { x, rows };
    const holes = [];
    row(time, (history, k) => {
      const at = heads[k];
      if (at >= history.end || history.time[at] !== time) return NONE;
      heads[k] += 1;
      const next = heads[k] < history.end ? history.time[heads[k]] : time;
      if (next - time > HOLE_MS) holes.push(k);
      return at;
    });
    if (holes.length) row(time + 1, (_, k) => (holes.includes(k) ? BREAK : NONE));
  }
}

/** A signal's values along `rows`: a number, `undefined` (line goes through) or `null` (line breaks). */
export function values(history, rows, name) {
  const column = history.column(name);
  const out = new Array(rows.length);
  if (!column) return out.fill(null);
  for (let i = 0; i < rows.length; i += 1) {
    const at = rows[i];
    if (at >= 0) {
      const value = column[at];
      out[i] = value === value ? value : undefined;
    } else out[i] = at === BREAK ? null : undefined;
  }
  return out;
}
