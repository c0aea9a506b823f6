// Signals: flattening as the server does, and what a name means and in which unit.

import { NAMES, ROLES } from './meanings.js';

const UNITS = { mps: 'm/s', pct: '%', bar: 'bar', deg: '°', m: 'm', s: 's', g: 'g', c: '°C', l: 'l', rpm: '1/min', kph: 'km/h', v: 'V', hz: 'Hz', kw: 'kW', mps2: 'm/s²' };
const LOOKED = new Map();
const MOST_LOOKED = 20_000;

/** Roles plotted until the viewer chooses otherwise, where the data has them. */
const FAVOURITES = ['speed_mps', 'throttle_pct', 'brake_pct', 'rpm'];
/** Roles that say where or when, not how: last in the picker. */
const PLAIN = new Set(['lat_deg', 'lon_deg', 'x_m', 'y_m', 'z_m', 'lap', 'lap_time_s', 'lap_share']);

/** What a signal's name means, by the engine's table: `{role, scale, unit}`, or null. */
export function meaning(name) {
  let found = LOOKED.get(name);
  if (found === undefined) {
    const folded = name.toLowerCase().replace(/[_\- ()[\]]/g, '');
    const [role, scale, unit] = Object.hasOwn(NAMES, folded) ? NAMES[folded] : [];
    found = role ? { role, scale, unit } : null;
    if (LOOKED.size > MOST_LOOKED) LOOKED.clear();
    LOOKED.set(name, found);
  }
  return found;
}

/** The signals' values by role, in the roles' units. */
export function read(signals) {
  const told = {};
  for (const name in signals) {
    const known = meaning(name);
    if (known === null) continue;
    const value = numeric(signals[name]);
    if (value === value) told[known.role] = value * known.scale;
  }
  return told;
}

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

/** `{label, unit}` of a signal's name: `speed_mps` is speed in m/s, and `Speed` is so too. */
export function describe(name) {
  const known = meaning(name);
  if (known) return { label: ROLES[known.role].label, unit: known.unit };
  const cut = name.lastIndexOf('_');
  const suffix = name.slice(cut + 1);
  const unit = UNITS[suffix] ?? '';
  const stem = unit && cut > 0 ? name.slice(0, cut) : name;
  return { label: stem.replaceAll('_', ' '), unit };
}

/** As `describe`, for a plot: speeds in km/h, as the table has them, `factor` times what was sent. */
export function plotted(name) {
  const known = meaning(name);
  const factor = known?.role === 'speed_mps' ? known.scale * 3.6 : 1;
  const { label, unit } = describe(name);
  return { label, unit: known?.role === 'speed_mps' ? 'km/h' : unit, factor };
}

/** Whether it is plotted where nobody has chosen. */
export function isFavourite(name) {
  return FAVOURITES.includes(meaning(name)?.role);
}

/** Favourites first, places and clocks last, else by name. */
export function bySubject(a, b) {
  const rank = (name) => (isFavourite(name) ? FAVOURITES.indexOf(meaning(name).role) : name === 't_s' || PLAIN.has(meaning(name)?.role) ? 200 : 100);
  return rank(a) - rank(b) || a.localeCompare(b);
}
