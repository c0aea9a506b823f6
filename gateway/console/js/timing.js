// The timing table: the standings as the server counts them.

import { vehicleColor } from './colors.js';
import { gap, kmh, lapTime } from './format.js';

/**
 * Rows for the vehicles in view; `metrics` are the session's numbers, where a session is chosen and has told them, and `sessions` those of
 * every session by id. Laps and their times are the server's alone.
 */
export function standings(vehicles, metrics, sessions = new Map()) {
  const byId = new Map(vehicles.map((vehicle) => [vehicle.id, vehicle]));
  if (metrics?.leaderboard) {
    const rows = metrics.leaderboard.map((standing) => ({
      vehicle: byId.get(standing.vehicleId),
      id: standing.vehicleId,
      position: standing.position,
      lap: standing.lap,
      last: standing.lastLapS,
      best: standing.bestLapS,
      gap: standing.gapS,
      speed: byId.get(standing.vehicleId)?.speed ?? standing.speedMps,
    }));
    const listed = new Set(rows.map((row) => row.id));
    const others = vehicles.filter((vehicle) => !listed.has(vehicle.id)).map((vehicle) => ({ ...alone(vehicle), position: null }));
    return [...rows, ...others].filter((row) => row.vehicle);
  }
  const known = new Map();
  for (const [session, numbers] of sessions) for (const standing of numbers?.leaderboard ?? []) known.set(`${session}\n${standing.vehicleId}`, standing);
  const rows = vehicles.map((vehicle) => alone(vehicle, known.get(`${vehicle.session}\n${vehicle.id}`)));
  const along = ({ lap, vehicle }) => (lap ?? -1) * 1e6 + vehicle.along;
  const ahead = (a, b) => (a === b ? 0 : (a ?? Infinity) - (b ?? Infinity));
  rows.sort((a, b) => ahead(a.best, b.best) || along(b) - along(a) || a.id.localeCompare(b.id));
  rows.forEach((row, index) => (row.position = index + 1));
  return rows;
}

function alone(vehicle, standing) {
  const { lastLapS: last = null, bestLapS: best = null, gapS: gap = null } = standing ?? {};
  return { vehicle, id: vehicle.id, lap: vehicle.lap ?? standing?.lap ?? null, last, best, gap, speed: vehicle.speed };
}

const CELLS = ['position', 'name', 'lap', 'last', 'best', 'gap', 'speed'];

/** Keeps one table row per vehicle, moved rather than made anew, so that focus stays where it is. */
export class TimingTable {
  #rows = new Map();
  #order = '';

  /** `onToggle(id)` when a vehicle is chosen or not, `onCurrent(id)` when it gets the keyboard's cursor. */
  constructor(body, { onToggle, onCurrent }) {
    this.body = body;
    this.onToggle = onToggle;
    this.onCurrent = onCurrent;
    this.ids = [];
  }

  /** Shows `rows`. */
  update(rows, { chosen, current, now }) {
    const fastest = Math.min(...rows.map((row) => row.best ?? Infinity));
    this.ids = rows.map((row) => row.id);
    for (const row of rows) this.#fill(row, { chosen, current, now, fastest });
    const order = this.ids.join('\n');
    if (order === this.#order) return;
    this.#order = order;
    const focused = document.activeElement;
    for (const [id, row] of this.#rows) {
      if (!this.ids.includes(id)) {
        row.line.remove();
        this.#rows.delete(id);
      }
    }
    this.ids.forEach((id, index) => {
      const { line } = this.#rows.get(id);
      if (this.body.children[index] !== line) this.body.insertBefore(line, this.body.children[index] ?? null);
    });
    if (this.body.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  /** Puts the keyboard's focus on a vehicle. */
  focus(id) {
    this.#rows.get(id)?.box.focus();
  }

  #fill(row, { chosen, current, now, fastest }) {
    const known = this.#rows.get(row.id) ?? this.#make(row);
    const { line, box, cells } = known;
    line.classList.toggle('current', row.id === current);
    line.classList.toggle('quiet', row.vehicle.quiet(now));
    box.checked = chosen.has(row.id);
    known.swatch.style.color = vehicleColor(row.id);
    write(cells.position, row.position ?? '');
    write(cells.lap, row.lap ?? '\u2013');
    write(cells.last, lapTime(row.last ?? NaN));
    write(cells.best, lapTime(row.best ?? NaN));
    cells.best.classList.toggle('fastest', row.best !== null && row.best === fastest);
    write(cells.gap, row.gap === 0 ? '\u2013' : gap(row.gap ?? NaN));
    write(cells.speed, kmh(row.speed ?? NaN));
  }

  #make(row) {
    const line = document.createElement('tr');
    const cells = {};
    for (const name of CELLS) {
      cells[name] = document.createElement(name === 'name' ? 'th' : 'td');
      cells[name].className = `cell-${name}`;
      line.append(cells[name]);
    }
    cells.name.scope = 'row';
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.setAttribute('aria-label', `Plot ${row.id}`);
    box.addEventListener('change', () => this.onToggle(row.id));
    box.addEventListener('focus', () => this.onCurrent(row.id));
    const swatch = document.createElement('i');
    swatch.className = 'swatch';
    label.append(box, swatch, row.id);
    cells.name.append(label);
    const known = { line, box, cells, swatch };
    this.#rows.set(row.id, known);
    this.body.append(line);
    this.#order = '';
    return known;
  }
}

function write(cell, text) {
  if (cell.textContent !== String(text)) cell.textContent = text;
}
