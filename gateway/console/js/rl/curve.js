// Reward curves: returns over steps, while learning and of the policy alone.

import { number, ticks } from '../format.js';
import { svg } from './svg.js';

const HEIGHT = 240;
const EDGE = { left: 44, right: 12, top: 12, bottom: 26 };

const thousands = (steps) => (steps >= 1_000_000 ? `${number(steps / 1_000_000, steps % 1_000_000 ? 1 : 0)} M` : steps >= 1_000 ? `${number(steps / 1_000, steps % 1_000 ? 1 : 0)} k` : number(steps));

/** Draws a training's curve into an `<svg>`. */
export class Curve {
  constructor(picture) {
    this.picture = picture;
    new ResizeObserver(() => this.#last && this.draw(this.#last)).observe(picture);
  }

  #last = null;

  /** `{learning: [{steps, episode_reward}], evaluated: [{steps, mean, low, high}]}`, all steps asked for, the goal. */
  draw(training) {
    this.#last = training;
    const { curve, plan } = training;
    const width = Math.max(260, this.picture.clientWidth);
    const height = Math.max(150, this.picture.clientHeight || HEIGHT);
    const learning = curve.learning.filter((point) => point.episode_reward !== null);
    const { evaluated } = curve;
    const values = [...learning.map((point) => point.episode_reward), ...evaluated.flatMap((point) => [point.low, point.high])];
    this.picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
    if (!values.length) {
      this.picture.replaceChildren();
      return;
    }
    const goal = plan.until;
    const near = goal !== null && goal <= Math.max(...values) * 1.5 + 50 ? [goal] : [];
    let [low, high] = [Math.min(...values, ...near), Math.max(...values, ...near)];
    const room = (high - low || 1) * 0.06;
    [low, high] = [low - room, high + room];
    const x = (steps) => EDGE.left + (steps / plan.steps) * (width - EDGE.left - EDGE.right);
    const y = (value) => height - EDGE.bottom - ((value - low) / (high - low)) * (height - EDGE.top - EDGE.bottom);
    const path = (points) => points.map(([a, b], k) => `${k ? 'L' : 'M'}${a.toFixed(1)} ${b.toFixed(1)}`).join('');
    const line = (points, name) => svg('path', { class: name, d: path(points.map(([steps, value]) => [x(steps), y(value)])) });
    const across = ticks(low, high, Math.floor(height / 45)).map((value) =>
      svg('g', { class: 'tick' }, svg('path', { d: `M${EDGE.left} ${y(value)} H${width - EDGE.right}` }), svg('text', { x: EDGE.left - 8, y: y(value) + 4, 'text-anchor': 'end' }, number(value))),
    );
    const along = ticks(0, plan.steps, Math.floor(width / 90)).map((steps) =>
      svg('text', { class: 'along', x: Math.min(x(steps), width - EDGE.right), y: height - 8, 'text-anchor': steps === plan.steps ? 'end' : 'middle' }, thousands(steps)),
    );
    const band = evaluated.length > 1 ? [svg('path', { class: 'band', d: `${path([...evaluated.map((p) => [x(p.steps), y(p.high)]), ...evaluated.toReversed().map((p) => [x(p.steps), y(p.low)])])}Z` })] : [];
    const goalLine = near.map((value) => svg('g', { class: 'goal' }, svg('path', { d: `M${EDGE.left} ${y(value)} H${width - EDGE.right}` }), svg('text', { x: width - EDGE.right, y: y(value) - 5, 'text-anchor': 'end' }, `goal ${number(value)}`)));
    const dots = evaluated.map((p) => svg('circle', { class: 'dot', cx: x(p.steps), cy: y(p.mean), r: evaluated.length > 60 ? 1.5 : 2.8 }, svg('title', {}, `${number(p.steps)} steps: ${number(p.mean, 1)} (${number(p.low, 1)} to ${number(p.high, 1)})`)));
    this.picture.replaceChildren(
      ...across,
      ...along,
      ...goalLine,
      ...band,
      line(learning.map((p) => [p.steps, p.episode_reward]), 'learning'),
      line(evaluated.map((p) => [p.steps, p.mean]), 'evaluated'),
      ...dots,
    );
    const newest = evaluated.at(-1);
    this.picture.setAttribute('aria-label', newest ? `Reward curve: after ${newest.steps} steps the policy's mean return is ${number(newest.mean, 1)}` : 'Reward curve: not evaluated yet');
  }
}
