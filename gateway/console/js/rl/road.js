// The collision-avoidance world: the car, the others in its lanes, and the way between them.

import { number } from '../format.js';
import { svg } from './svg.js';

const WIDTH = 600;
const HEIGHT = 300;
const BEHIND_M = 40;
const AHEAD_M = 160;
const LANES = { residential: 1, city: 2, rural: 1, motorway: 3 };
const LANE = 46;
const CAR_M = 4.8;
const SCALE = WIDTH / (BEHIND_M + AHEAD_M);

/** Draws into an `<svg>`, the car always at the same place. */
export class RoadWorld {
  #cars = svg('g');
  #road = svg('g');
  #lanes = 0;

  constructor(picture) {
    this.picture = picture;
  }

  open() {
    this.picture.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#lanes = 0;
    this.picture.replaceChildren(this.#road, this.#cars);
  }

  draw(state) {
    const lanes = LANES[state.scenario.road] ?? 1;
    const bottom = HEIGHT - 24;
    const middleOf = (lane) => bottom - LANE / 2 - lane * LANE;
    if (lanes !== this.#lanes) {
      this.#lanes = lanes;
      const marks = Array.from({ length: lanes - 1 }, (_, lane) => svg('path', { class: 'mark', d: `M0 ${bottom - (lane + 1) * LANE} H${WIDTH}` }));
      this.#road.replaceChildren(svg('rect', { class: 'tarmac', x: 0, y: bottom - lanes * LANE, width: WIDTH, height: lanes * LANE, rx: 6 }), ...marks);
    }
    this.#road.querySelectorAll('.mark').forEach((mark) => mark.setAttribute('stroke-dashoffset', state.position_m * SCALE));
    const changed = state.changing ? Math.min(1, state.changing[1] / 3) : 0;
    const lane = state.changing ? state.lane + (state.changing[0] - state.lane) * changed : state.lane;
    const at = (metres) => (metres - state.position_m + BEHIND_M) * SCALE;
    const car = (x, y, name, what) => svg('g', { class: `car ${name}` }, svg('title', {}, what), svg('rect', { x: x - (CAR_M * SCALE) / 2 - 4, y: y - 9, width: CAR_M * SCALE + 8, height: 18, rx: 5 }));
    const others = state.vehicles.filter((other) => other && Math.abs(other.position_m - state.position_m) < AHEAD_M);
    this.#cars.replaceChildren(
      ...others.map((other) => car(at(other.position_m), middleOf(other.lane), 'other', `${number(other.speed_mps * 3.6)} km/h`)),
      car(at(state.position_m), middleOf(lane), state.impact_mps === null ? 'own' : 'own hit', 'The agent’s car'),
    );
    this.picture.setAttribute('aria-label', `The car drives ${number(state.speed_mps * 3.6)} km/h${state.impact_mps === null ? '' : ' and has crashed'}`);
  }

  numbers(state) {
    const ahead = state.vehicles.filter((other) => other && other.lane === state.lane && other.position_m > state.position_m);
    const gap = Math.min(...ahead.map((other) => other.position_m - state.position_m - CAR_M));
    return [
      { name: 'speed', value: number(state.speed_mps * 3.6), of: 'km/h' },
      { name: 'gap', value: Number.isFinite(gap) ? number(gap) : '–', of: 'm', tone: gap < 10 ? 'bad' : '' },
      { name: 'road', value: state.scenario.road, of: state.scenario.weather },
      { name: 'attention', value: number(state.scenario.attention * 100), of: '%', share: state.scenario.attention },
      ...(state.impact_mps === null ? [] : [{ name: 'crash', value: number(state.impact_mps * 3.6), of: 'km/h', tone: 'bad' }]),
    ];
  }
}
