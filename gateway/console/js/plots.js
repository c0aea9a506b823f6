// Live plots of the chosen signals, one panel a signal, one line a vehicle.

import { align, values } from './align.js';
import { themeColors, vehicleColor } from './colors.js';
import { reading, ticks } from './format.js';
import { plotted } from './signals.js';

const { uPlot } = window; // Loaded before the modules, from vendor/.
const QUICKEST_MS = 40;
const READINGS_MS = 200;
/** The library scales fonts by whole pixels: of ten and a half it would take the half. */
const AXIS_FONT = '11px system-ui, sans-serif';
const SYNC = uPlot.sync('slipstream');

/** Panels that follow the newest source time of the vehicles they show. */
export class Plots {
  #panels = [];
  #shape = '';
  #nextAt = 0;
  #readAt = 0;
  #vehicles = [];
  #frame = 16;

  constructor(container) {
    this.container = container;
    this.windowSeconds = 30;
    new ResizeObserver(() => this.#resize()).observe(container);
    document.addEventListener('themechange', () => (this.#shape = ''));
  }

  /** Learns how long frames take: plots are the first to be drawn more rarely, the cars go on moving. */
  frame(elapsed) {
    this.#frame += 0.1 * (Math.min(1_000, elapsed) - this.#frame);
  }

  /** Brings the panels up to date; the slower drawing is here, the more rarely it is done. */
  update(vehicles, signals, now, force = false) {
    if (now < this.#nextAt && !force) return;
    const begun = performance.now();
    const shape = JSON.stringify([vehicles.map((vehicle) => vehicle.id), signals]);
    if (shape !== this.#shape) this.#build(vehicles, signals, shape);
    if (this.#panels.length) this.#fill();
    if (now - this.#readAt > READINGS_MS || force) {
      this.#readAt = now;
      for (const panel of this.#panels) this.#readings(panel);
    }
    const slow = this.#frame > 22 ? this.#frame * 3 : 0;
    this.#nextAt = now + Math.min(1_000, Math.max(QUICKEST_MS, slow, (performance.now() - begun) * 4));
  }

  /** What is plotted of a signal now: `{x: [s], series: {id: [..]}}`; null where it is not plotted. */
  data(signal) {
    const panel = this.#panels.find((candidate) => candidate.signal === signal);
    if (!panel) return null;
    const [x, ...lines] = panel.plot.data;
    return { x: [...x], series: Object.fromEntries(this.#vehicles.map((vehicle, k) => [vehicle.id, [...(lines[k] ?? [])]])) };
  }

  #build(vehicles, signals, shape) {
    for (const panel of this.#panels) panel.plot.destroy();
    this.#shape = shape;
    this.#vehicles = vehicles;
    this.#panels = [];
    const empty = !vehicles.length || !signals.length;
    this.container.replaceChildren();
    this.container.classList.toggle('empty', empty);
    if (empty) this.container.textContent = vehicles.length ? 'Choose a signal to plot (S).' : 'Choose a vehicle to plot: J and K move, Space chooses.';
    else signals.forEach((signal, index) => this.#panels.push(this.#panel(signal, index === signals.length - 1)));
    this.#resize();
  }

  #panel(signal, last) {
    const { label, unit, factor } = plotted(signal);
    const figure = document.createElement('figure');
    figure.className = 'panel';
    figure.setAttribute('aria-label', `${label} over time`);
    const head = document.createElement('figcaption');
    const name = document.createElement('span');
    name.className = 'panel-name';
    name.textContent = label;
    const unitText = document.createElement('span');
    unitText.className = 'panel-unit';
    unitText.textContent = unit;
    const readings = document.createElement('span');
    readings.className = 'panel-readings';
    head.append(name, unitText, readings);
    const room = document.createElement('div');
    room.className = 'panel-room';
    figure.append(head, room);
    this.container.append(figure);
    const panel = { signal, room, readings, last, unit, factor };
    panel.plot = new uPlot(this.#options(panel), [[], ...this.#vehicles.map(() => [])], room);
    return panel;
  }

  #options(panel) {
    const colors = themeColors();
    const axis = { stroke: colors.muted, font: AXIS_FONT, grid: { stroke: colors.line, width: 1 }, ticks: { show: false } };
    const { factor } = panel;
    const percent = panel.unit === '%';
    const own = factor === 1 ? {} : { splits: (plot, _, low, high) => ticks(low * factor, high * factor, plot.height / 24).map((value) => value / factor) };
    return {
      width: 100,
      height: 60,
      padding: [6, 10, panel.last ? 0 : 6, 0],
      legend: { show: false },
      cursor: { sync: { key: SYNC.key }, drag: { x: false, y: false }, points: { size: 6 }, y: false },
      scales: {
        x: { time: true, range: () => this.#range() },
        y: { range: percent ? [-4, 104] : (_, low, high) => uPlot.rangeNum(low ?? 0, high ?? 1, 0.1, true) },
      },
      axes: [
        { ...axis, show: panel.last, size: 24, gap: 4, space: 70, values: (_, at) => at.map(moment) },
        { ...axis, size: 46, gap: 6, space: 24, ...own, values: (_, at) => at.map((value) => tick(factor === 1 ? value : Math.round(value * factor * 1e6) / 1e6)) },
      ],
      series: [
        {},
        ...this.#vehicles.map((vehicle) => ({ label: vehicle.id, stroke: vehicleColor(vehicle.id), width: 1.5, points: { show: false } })),
      ],
      hooks: { setCursor: [() => this.#readings(panel)] },
    };
  }

  #range() {
    const newest = this.#newest() / 1000;
    return Number.isFinite(newest) ? [newest - this.windowSeconds, newest] : [0, this.windowSeconds];
  }

  #newest() {
    let newest = -Infinity;
    for (const { history } of this.#vehicles) if (history.newest > newest) newest = history.newest;
    return newest;
  }

  #fill() {
    const newest = this.#newest();
    if (!Number.isFinite(newest)) return;
    const histories = this.#vehicles.map((vehicle) => vehicle.history);
    const { x, rows } = align(histories, newest - this.windowSeconds * 1000);
    for (const { plot, signal } of this.#panels) {
      plot.setData([x, ...histories.map((history, k) => values(history, rows[k], signal))]);
    }
  }

  /** The values under the cursor and their time, or else the newest, in the panel's head. */
  #readings(panel) {
    if (!panel.plot?.data[0]) return;
    const at = panel.plot.cursor.idx;
    const spans = this.#vehicles.map((vehicle, k) => {
      const line = panel.plot.data[k + 1];
      const span = document.createElement('span');
      span.className = 'reading';
      const swatch = document.createElement('i');
      swatch.style.background = vehicleColor(vehicle.id);
      const value = document.createElement('b');
      value.textContent = reading((around(line, at ?? line.length - 1) ?? NaN) * panel.factor);
      const who = document.createElement('span');
      who.textContent = vehicle.id;
      span.append(swatch, who, value);
      return span;
    });
    const hovered = plotTime(panel.plot.data[0][at]);
    panel.readings.replaceChildren(...hovered, ...spans);
  }

  #resize() {
    if (!this.#panels.length) return;
    for (const { plot, room } of this.#panels) {
      const { clientWidth: width, clientHeight: height } = room;
      if (width > 0 && height > 0) plot.setSize({ width, height });
    }
  }
}

/** The value at `at`, or the nearest one before it that is a number. */
function around(line, at) {
  for (let i = at; i >= 0 && i > at - 50; i -= 1) if (typeof line[i] === 'number') return line[i];
  return undefined;
}

/** The time under the cursor, to a tenth of a second; nothing where there is none. */
function plotTime(seconds) {
  if (typeof seconds !== 'number') return [];
  const time = document.createElement('time');
  time.className = 'reading';
  const tenths = Math.floor(seconds * 10 + 1e-6);
  time.textContent = `${moment(tenths / 10)}.${tenths % 10}`;
  return [time];
}

function moment(seconds) {
  const date = new Date(seconds * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

function tick(value) {
  return Math.abs(value) >= 10_000 ? `${value / 1000}k` : String(value);
}
