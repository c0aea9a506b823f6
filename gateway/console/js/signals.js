// Signals: flattening as the server does, and what a name says about its unit.

const UNITS = { mps: 'm/s', pct: '%', bar: 'bar', deg: '°', m: 'm', s: 's', g: 'g', c: '°C', l: 'l', rpm: '1/min', kph: 'km/h', v: 'V', hz: 'Hz', kw: 'kW', mps2: 'm/s²' };
const WORDS = { ax: 'long. accel.', ay: 'lat. accel.', rpm: 'rpm', steer: 'steering', lap_dist: 'lap distance' };

/** Plotted until the viewer chooses otherwise, where the data has them. */
export const FAVOURITES = ['speed_mps', 'throttle_pct', 'brake_pct', 'rpm'];
/** Signals that say where or when, not how: last in the picker. */
const PLAIN = new Set(['t_s', 'lat_deg', 'lon_deg', 'x_m', 'y_m', 'z_m', 'lap', 'lap_time_s']);

/** Nested objects and arrays as dotted names; flat data is handed back as it is. */
export function flatten(data) {
  for (const name in data) {
    const value = data[name];
    if (value !== null && typeof value === 'object') return deepFlatten(data, '', {});
  }
  return data;
}

function deepFlatten(value, prefix, out) {
  for (const name in value) {
    const inner = value[name];
    const path = prefix ? `${prefix}.${name}` : name;
    if (inner !== null && typeof inner === 'object') deepFlatten(inner, path, out);
    else out[path] = inner;
  }
  return out;
}

/** A signal's value as a number, or NaN. */
export function numeric(value) {
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : NaN;
}

/** `{label, unit}` of a signal's name: `speed_mps` is speed in m/s. */
export function describe(name) {
  const cut = name.lastIndexOf('_');
  const suffix = name.slice(cut + 1);
  const unit = UNITS[suffix] ?? '';
  const stem = unit && cut > 0 ? name.slice(0, cut) : name;
  return { label: WORDS[stem] ?? stem.replaceAll('_', ' '), unit };
}

/** Favourites first, places and clocks last, else by name. */
export function bySubject(a, b) {
  const rank = (name) => (FAVOURITES.includes(name) ? FAVOURITES.indexOf(name) : PLAIN.has(name) ? 200 : 100);
  return rank(a) - rank(b) || a.localeCompare(b);
}
