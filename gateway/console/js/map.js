// The track map: cars where they are, on the line they have driven.

import { isDark, themeColors, vehicleColor } from './colors.js';
import { chooseFrame } from './frames.js';
import { Ground } from './ground.js';
import { Track } from './track.js';

/** Draws the vehicles in view on a canvas, between their samples smoothly. */
export class TrackMap {
  #context;
  #ground;
  #layers;
  #colors = themeColors();

  /** `canvas` is the cars', `edge` and `surface` lie under it; `onPick(id)` is called when a car is clicked. */
  constructor({ canvas, edge, surface }, { onPick }) {
    this.canvas = canvas;
    this.tracks = new Map(); // frame -> Track
    this.frame = ''; // The one that is shown.
    this.frames = []; // Those with vehicles in view, the one with most of them first.
    this.picked = ''; // The one somebody asked for.
    this.screen = new Map(); // id -> {x, y} in css pixels
    this.#layers = [canvas, edge, surface];
    this.#ground = new Ground(edge, surface);
    this.#context = canvas.getContext('2d');
    new ResizeObserver(() => this.#resize()).observe(canvas);
    document.addEventListener('themechange', () => {
      this.#colors = themeColors();
      this.#ground.reset();
    });
    canvas.addEventListener('click', (event) => {
      const id = this.#nearest(event.offsetX, event.offsetY);
      if (id) onPick(id);
    });
    this.#resize();
  }

  /** Forgets the ground: another session may drive elsewhere. */
  clear() {
    this.tracks.clear();
    this.picked = '';
    this.#ground.reset();
  }

  /** A vehicle came to `position` of `frame` at `time` (source time, ms). */
  extend(id, frame, position, time) {
    let track = this.tracks.get(frame);
    if (!track) this.tracks.set(frame, (track = new Track()));
    track.extend(id, position, time);
  }

  /** Forgets the ground that is shown, and fits the map to where `vehicles` are now. */
  fit(vehicles) {
    const track = new Track();
    for (const { id, frame, position, newest } of vehicles) if (position && frame === this.frame) track.extend(id, position, newest);
    this.tracks.set(this.frame, track);
    this.#ground.reset();
  }

  /** Shows the next of the places where vehicles are. */
  next() {
    this.picked = this.frames[(this.frames.indexOf(this.frame) + 1) % this.frames.length] ?? '';
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(3, devicePixelRatio || 1);
    for (const layer of this.#layers) {
      layer.width = Math.max(1, Math.round(width * ratio));
      layer.height = Math.max(1, Math.round(height * ratio));
    }
    this.#ground.reset({ width, height, ratio });
  }

  /** Draws one frame. `chosen` are plotted, `current` has the keyboard's cursor. */
  draw(vehicles, { now, chosen, current }) {
    const { width, ratio } = this.#ground.size;
    const { frames, frame } = chooseFrame(vehicles, { picked: this.picked, current, shown: this.frame });
    this.frames = frames;
    if (frame !== this.frame) {
      this.frame = frame;
      this.#ground.reset();
    }
    const track = this.tracks.get(frame);
    if (!track?.bounds || !width) return;
    this.#ground.paint(track, this.#colors, now);
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.screen.clear();
    const dark = isDark();
    const weight = (vehicle) => (vehicle.id === current ? 2 : chosen.has(vehicle.id) ? 1 : 0);
    const drawn = vehicles.filter((vehicle) => vehicle.position && vehicle.frame === frame).sort((a, b) => weight(a) - weight(b));
    for (const vehicle of drawn) this.#car(vehicle, now, weight(vehicle), dark);
    this.#labels(drawn, weight);
  }

  #car(vehicle, now, weight, dark) {
    const part = Math.min(1, (now - vehicle.movedAt) / Math.max(16, vehicle.interval * 1.1));
    const { from, position } = vehicle;
    vehicle.shown = from ? [from[0] + (position[0] - from[0]) * part, from[1] + (position[1] - from[1]) * part] : position;
    const { scale, x, y } = this.#ground.view;
    const at = { x: vehicle.shown[0] * scale + x, y: -vehicle.shown[1] * scale + y };
    this.screen.set(vehicle.id, at);
    const context = this.#context;
    context.globalAlpha = vehicle.quiet(now) ? 0.35 : 1;
    context.beginPath();
    context.arc(at.x, at.y, weight ? 6 : 4.5, 0, 2 * Math.PI);
    context.fillStyle = vehicleColor(vehicle.id, dark);
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
      const aside = weight(vehicle) === 2 ? 15 : 11;
      const place = [[aside, 0], [-aside - width, 0], [-width / 2, -16], [-width / 2, 16], [8, -13], [8, 13]]
        .map(([dx, dy]) => ({ left: at.x + dx, right: at.x + dx + width, top: at.y + dy - 7, bottom: at.y + dy + 7 }))
        .find((box) => box.left > 2 && box.right < this.#ground.size.width - 2 && !taken.some((other) => overlap(box, other)));
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
