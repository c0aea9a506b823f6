// The Daladala's world: 15 x 15 cells, the route from Ubungo to Posta, stops, lights, police, and the bus.

import { svg } from './svg.js';

const CELL = 40;
const SIZE = 15 * CELL;
const FAR = 14;
const STOPS = [[4, 14], [8, 14], [14, 8], [14, 3]];
const CAPACITY = 50;
const LEGAL = 33;

/** The cell of a place on the route, 0 to 28. */
export function cellOf(place) {
  return place <= FAR ? [place, FAR] : [FAR, 2 * FAR - place];
}

const middle = ([x, y]) => [x * CELL + CELL / 2, y * CELL + CELL / 2];

/** Draws into an `<svg>`; what stays is drawn once, hazards once an episode, the bus each step. */
export class BusWorld {
  #hazards = svg('g');
  #waiting = [];
  #bus = null;
  #route = null;
  #layout = '';

  constructor(picture) {
    this.picture = picture;
  }

  /** Puts the world in place. */
  open() {
    this.picture.setAttribute('viewBox', `0 0 ${SIZE} ${SIZE}`);
    const dots = svg('g', { class: 'dots' });
    for (let x = 0; x < FAR; x += 1) for (let y = 0; y < FAR; y += 1) dots.append(svg('circle', { cx: middle([x, y])[0], cy: middle([x, y])[1], r: 1.4 }));
    const [begin, corner, end] = [middle([0, FAR]), middle([FAR, FAR]), middle([FAR, 0])];
    const line = `M${begin} L${corner[0] - 16} ${corner[1]} Q${corner} ${corner[0]} ${corner[1] - 16} L${end}`;
    this.#route = svg('path', { d: line, class: 'done', pathLength: 28, 'stroke-dasharray': '0 100' });
    this.#waiting = STOPS.map((stop) => svg('text', { class: 'waiting', x: middle(stop)[0], y: middle(stop)[1] + 4.5 }, ''));
    // Until an episode begins it is nowhere.
    this.#bus = svg('g', { class: 'bus', visibility: 'hidden' }, svg('rect', { x: -17, y: -11, width: 34, height: 22, rx: 6 }), svg('rect', { class: 'load', x: -13, y: -7, width: 0, height: 14, rx: 2 }), svg('path', { d: 'M14 -6 v12', class: 'front' }));
    this.#hazards = svg('g');
    this.#layout = '';
    this.picture.replaceChildren(
      dots,
      svg('path', { d: line, class: 'road' }),
      svg('path', { d: line, class: 'lane' }),
      this.#route,
      ...STOPS.map((stop, index) => svg('g', { class: 'stop' }, svg('title', {}, `Stop ${index + 1}`), svg('circle', { cx: middle(stop)[0], cy: middle(stop)[1], r: 15 }))),
      ...this.#waiting,
      svg('text', { class: 'place', x: begin[0] - 16, y: begin[1] - 26 }, 'Ubungo'),
      svg('text', { class: 'place end', x: end[0] - 28, y: end[1] + 5 }, 'Posta'),
      this.#hazards,
      this.#bus,
    );
  }

  /** Shows a state. */
  draw(state) {
    const layout = JSON.stringify(state.layout);
    if (layout !== this.#layout) {
      this.#layout = layout;
      this.#hazards.replaceChildren(
        ...state.layout.police.map((cell) => police(middle(cell))),
        ...state.layout.lights.map((cell, index) => light(middle(cell), state.layout.light_red[index])),
      );
    }
    const [x, y] = middle(cellOf(state.pos_idx));
    this.#bus.removeAttribute('visibility');
    this.#bus.style.transform = `translate(${x}px, ${y}px) rotate(${state.pos_idx > FAR ? -90 : 0}deg)`;
    this.#bus.classList.toggle('fined', state.fined);
    this.#bus.classList.toggle('overloaded', state.passengers > LEGAL);
    this.#bus.querySelector('.load').setAttribute('width', (26 * Math.min(CAPACITY, state.passengers)) / CAPACITY);
    this.#route.setAttribute('stroke-dasharray', `${state.pos_idx} 100`);
    this.#waiting.forEach((text, index) => (text.textContent = String(state.passengers_at_stop[index])));
    this.picture.setAttribute('aria-label', `The bus is at place ${state.pos_idx + 1} of 29 with ${state.passengers} passengers`);
  }

  /** What stands beside the picture: name, value, and how it is to be taken. */
  numbers(state) {
    return [
      { name: 'place', value: `${state.pos_idx + 1}`, of: 'of 29' },
      { name: 'aboard', value: `${state.passengers}`, of: `of ${LEGAL}`, tone: state.passengers > LEGAL ? 'bad' : '', share: state.passengers / CAPACITY },
      { name: 'fares', value: `${state.money}`, of: 'TSh' },
      { name: 'speed', value: `${state.speed}`, of: 'of 3', share: state.speed / 3 },
      ...(state.fined ? [{ name: 'police', value: 'fined', tone: 'bad' }] : []),
    ];
  }
}

function police([x, y]) {
  return svg(
    'g',
    { class: 'police', transform: `translate(${x} ${y})` },
    svg('title', {}, 'Police checkpoint'),
    svg('path', { d: 'M0 -14 L12 -9 V1 C12 8 6 12 0 15 C-6 12 -12 8 -12 1 V-9 Z' }),
    svg('path', { class: 'star', d: 'M0 -6 L1.8 -1.6 L6.5 -1.3 L2.9 1.7 L4 6.3 L0 3.8 L-4 6.3 L-2.9 1.7 L-6.5 -1.3 L-1.8 -1.6 Z' }),
  );
}

function light([x, y], red) {
  return svg(
    'g',
    { class: `light ${red ? 'red' : 'green'}`, transform: `translate(${x} ${y})` },
    svg('title', {}, red ? 'Red light' : 'Green light'),
    svg('rect', { x: -8, y: -15, width: 16, height: 30, rx: 5 }),
    svg('circle', { class: 'lamp-red', cy: -7, r: 5 }),
    svg('circle', { class: 'lamp-green', cy: 7, r: 5 }),
  );
}
