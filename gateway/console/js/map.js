// The track map: cars where they are, on the line they have driven.

import { isDark, themeColors, vehicleColor } from './colors.js';
import { Track } from './track.js';

const MARGIN = 34;
const LEAST_SPAN_M = 60;
const TRACK_REDRAW_MS = 250;

/** Draws the vehicles in view on a canvas, between their samples smoothly. */
export class TrackMap {
  #context;
  #ground = document.createElement('canvas');
  #groundVersion = -1;
  #groundAt = 0;
  #view = { scale: 1, x: 0, y: 0 };
  #size = { width: 0, height: 0, ratio: 1 };
  #colors = themeColors();

  /** `onPick(id)` is called when a car is clicked. */
  constructor(canvas, { onPick }) {
    this.canvas = canvas;
    this.track = new Track();
    this.screen = new Map(); // id -> {x, y} in css pixels
    this.#context = canvas.getContext('2d');
    new ResizeObserver(() => this.#resize()).observe(canvas);
    document.addEventListener('themechange', () => {
      this.#colors = themeColors();
      this.#groundVersion = -1;
      this.#groundAt = 0;
    });
    canvas.addEventListener('click', (event) => {
      const id = this.#nearest(event.offsetX, event.offsetY);
      if (id) onPick(id);
    });
    this.#resize();
  }

  /** Forgets the ground: another session may drive elsewhere. */
  clear() {
    this.track = new Track();
    this.#groundVersion = -1;
    this.#groundAt = 0;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(3, devicePixelRatio || 1);
    this.#size = { width, height, ratio };
    for (const canvas of [this.canvas, this.#ground]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    this.#groundVersion = -1;
    this.#groundAt = 0;
  }

  #fit() {
    const { left, right, bottom, top } = this.track.bounds;
    const { width, height } = this.#size;
    const [spanX, spanY] = [Math.max(LEAST_SPAN_M, right - left), Math.max(LEAST_SPAN_M, top - bottom)];
    const scale = Math.max(1e-6, Math.min((width - 2 * MARGIN) / spanX, (height - 2 * MARGIN) / spanY));
    this.#view = { scale, x: width / 2 - ((left + right) / 2) * scale, y: height / 2 + ((bottom + top) / 2) * scale };
  }

  #paintGround(now) {
    if (this.#groundVersion === this.track.version || now - this.#groundAt < TRACK_REDRAW_MS) return;
    this.#groundVersion = this.track.version;
    this.#groundAt = now;
    this.#fit();
    const { ratio } = this.#size;
    const { scale, x, y } = this.#view;
    const ground = this.#ground.getContext('2d');
    ground.setTransform(1, 0, 0, 1, 0, 0);
    ground.clearRect(0, 0, this.#ground.width, this.#ground.height);
    ground.setTransform(scale * ratio, 0, 0, -scale * ratio, x * ratio, y * ratio);
    ground.lineCap = ground.lineJoin = 'round';
    for (const [color, pixels] of [[this.#colors.trackEdge, 8], [this.#colors.track, 5.5]]) {
      ground.strokeStyle = color;
      ground.lineWidth = pixels / scale;
      ground.stroke(this.track.path);
    }
    this.#scaleBar(ground);
  }

  /** A bar of a round length, so that the map has a measure. */
  #scaleBar(ground) {
    const { ratio, height } = this.#size;
    const wanted = 90 / this.#view.scale;
    const magnitude = 10 ** Math.floor(Math.log10(wanted));
    const metres = [5, 2, 1].map((step) => step * magnitude).find((length) => length <= wanted) ?? magnitude;
    const length = metres * this.#view.scale;
    ground.setTransform(ratio, 0, 0, ratio, 0, 0);
    ground.fillStyle = this.#colors.muted;
    ground.fillRect(14, height - 14, length, 1);
    ground.fillRect(14, height - 18, 1, 5);
    ground.fillRect(13 + length, height - 18, 1, 5);
    ground.font = '10.5px system-ui, sans-serif';
    ground.textAlign = 'left';
    ground.fillText(metres >= 1000 ? `${metres / 1000} km` : `${metres} m`, 14, height - 22);
  }

  /** Draws one frame. `chosen` are plotted, `current` has the keyboard's cursor. */
  draw(vehicles, { now, chosen, current }) {
    if (!this.track.bounds || !this.#size.width) return;
    this.#paintGround(now);
    const context = this.#context;
    const { ratio } = this.#size;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.#ground, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.screen.clear();
    const dark = isDark();
    const weight = (vehicle) => (vehicle.id === current ? 2 : chosen.has(vehicle.id) ? 1 : 0);
    const drawn = vehicles.filter((vehicle) => vehicle.position).sort((a, b) => weight(a) - weight(b));
    for (const vehicle of drawn) this.#car(vehicle, now, weight(vehicle), dark);
    this.#labels(drawn, weight);
  }

  #car(vehicle, now, weight, dark) {
    const part = Math.min(1, (now - vehicle.movedAt) / Math.max(16, vehicle.interval * 1.1));
    const { from, position } = vehicle;
    vehicle.shown = from ? [from[0] + (position[0] - from[0]) * part, from[1] + (position[1] - from[1]) * part] : position;
    const { scale, x, y } = this.#view;
    const at = { x: vehicle.shown[0] * scale + x, y: -vehicle.shown[1] * scale + y };
    this.screen.set(vehicle.id, at);
    const context = this.#context;
    context.globalAlpha = vehicle.quiet(now) ? 0.35 : 1;
    context.beginPath();
    context.arc(at.x, at.y, weight ? 6 : 4.5, 0, 2 * Math.PI);
    context.fillStyle = vehicleColor(vehicle.index, dark);
    context.strokeStyle = weight ? this.#colors.text : this.#colors.surface;
    context.lineWidth = weight ? 2 : 1.5;
    context.fill();
    context.stroke();
    if (weight === 2) {
      context.beginPath();
      context.arc(at.x, at.y, 10.5, 0, 2 * Math.PI);
      context.lineWidth = 1.25;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /** Names beside the cars, the chosen first, where they do not cover one another. */
  #labels(drawn, weight) {
    const context = this.#context;
    const taken = drawn.map((vehicle) => dot(this.screen.get(vehicle.id)));
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
    context.strokeStyle = this.#colors.surface;
    context.lineWidth = 3;
    for (const vehicle of [...drawn].reverse()) {
      const heavy = weight(vehicle) > 0;
      context.font = `${heavy ? 600 : 500} 11px system-ui, sans-serif`;
      const at = this.screen.get(vehicle.id);
      const width = context.measureText(vehicle.id).width;
      const place = [[11, 0], [-11 - width, 0], [-width / 2, -16], [-width / 2, 16], [8, -13], [8, 13]]
        .map(([dx, dy]) => ({ left: at.x + dx, right: at.x + dx + width, top: at.y + dy - 7, bottom: at.y + dy + 7 }))
        .find((box) => box.left > 2 && box.right < this.#size.width - 2 && !taken.some((other) => overlap(box, other)));
      if (!place) continue;
      taken.push(place);
      context.fillStyle = heavy ? this.#colors.text : this.#colors.muted;
      const middle = (place.top + place.bottom) / 2;
      context.strokeText(vehicle.id, place.left, middle);
      context.fillText(vehicle.id, place.left, middle);
    }
  }

  #nearest(x, y) {
    let best = null;
    let distance = 22;
    for (const [id, at] of this.screen) {
      const away = Math.hypot(at.x - x, at.y - y);
      if (away < distance) [best, distance] = [id, away];
    }
    return best;
  }
}

/** The ground a car itself takes. */
function dot({ x, y }) {
  return { left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 };
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
