// Policies side by side: who is offered, and how they did over the same episodes.

import { number, ticks } from '../format.js';
import { html, svg } from './svg.js';

/** Policies that need no file. */
const AT_HAND = { daladala: ['built-in', 'random'], avoidance: ['rules', 'random'] };
const MOST = 8;

/** What may be compared in an environment: this agent's policy, those at hand, files. */
export function contestants(environment, files, agent) {
  const own = agent?.policy ? [`agent:${agent.id}`] : [];
  return [...own, ...(AT_HAND[environment] ?? []), ...files];
}

/** A policy's name for people. */
export function nameOf(source) {
  if (source.startsWith('agent:')) return `${source.slice(6)} (as it plays)`;
  return source.replace(/^trained\//, '').replace(/\.(safetensors|zip|pth|onnx)$/, (_, ending) => (source.startsWith('trained/') ? ', trained here' : ` .${ending}`));
}

/** The choice and the table. */
export class ComparisonPanel {
  #offered = '';
  #environment = '';

  constructor(places) {
    this.places = places;
    this.now = null;
  }

  /** Offers policies; what was chosen stays chosen. */
  offer(environment, sources, mayDrive) {
    const shape = JSON.stringify([environment, sources, mayDrive]);
    if (shape === this.#offered) return;
    const before = new Set(environment === this.#environment ? this.chosen() : sources.slice(0, 3));
    [this.#offered, this.#environment] = [shape, environment];
    const box = (source) => {
      const input = html('input', { type: 'checkbox', value: source, checked: before.has(source), disabled: !mayDrive });
      return html('label', { className: 'check' }, input, html('span', { textContent: nameOf(source) }));
    };
    this.places.contestants.replaceChildren(this.places.contestants.firstElementChild, ...sources.map(box));
  }

  chosen() {
    return [...this.places.contestants.querySelectorAll('input:checked')].map((input) => input.value).slice(0, MOST);
  }

  /** A comparison as the server tells it, or null. */
  show(comparison) {
    this.now = comparison;
    const { results, empty, of, scale } = this.places;
    empty.hidden = Boolean(comparison);
    of.textContent = comparison ? `${number(comparison.episodes)} episodes of ${comparison.environment} each` : '';
    const played = (comparison?.results ?? []).filter((result) => result.evaluation);
    const low = Math.min(0, ...played.map(({ evaluation }) => evaluation.min));
    const high = Math.max(1, ...played.map(({ evaluation }) => evaluation.max));
    const best = Math.max(...played.map(({ evaluation }) => evaluation.mean));
    scale.replaceChildren(...(played.length ? axis(low, high) : []));
    const ranked = [...(comparison?.results ?? [])].sort((a, b) => (b.evaluation?.mean ?? -Infinity) - (a.evaluation?.mean ?? -Infinity));
    results.replaceChildren(...ranked.map((result) => row(result, low, high, result.evaluation?.mean === best)));
  }
}

function axis(low, high) {
  return ticks(low, high, 4).map((value) => {
    const mark = html('span', { textContent: number(value) });
    mark.style.left = `${(100 * (value - low)) / (high - low)}%`;
    return mark;
  });
}

function row({ policy, description, evaluation, error }, low, high, best) {
  const what = description ? `${description.algorithm} ${description.architecture}` : '';
  const name = html('th', { scope: 'row', className: 'cell-name', title: what }, html('b', { textContent: nameOf(policy) }), html('small', { textContent: description?.algorithm ?? '' }));
  if (!evaluation) return html('tr', { className: 'refused' }, name, html('td', { colSpan: 4, textContent: error ?? 'it was not played' }));
  const { mean, standard_deviation: deviation, min, max, optimal_share: optimal, mean_steps: steps, confidence_95: [from, to] } = evaluation;
  const x = (value) => (100 * (Math.min(high, Math.max(low, value)) - low)) / (high - low);
  const picture = svg(
    'svg',
    { class: 'spread', viewBox: '0 0 100 16', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${number(min)} to ${number(max)}, mean ${number(mean, 1)}` },
    svg('title', {}, `lowest ${number(min, 1)}, highest ${number(max, 1)}, standard deviation ${number(deviation, 1)}, 95 % confidence ${number(from, 2)} to ${number(to, 2)}`),
    svg('path', { class: 'reach', d: `M${x(min)} 8 H${x(max)}` }),
    svg('rect', { class: 'deviation', x: x(mean - deviation), y: 4, width: Math.max(0.4, x(mean + deviation) - x(mean - deviation)), height: 8 }),
    svg('path', { class: 'mean', d: `M${x(mean)} 1 V15` }),
  );
  return html(
    'tr',
    { className: best ? 'winner' : '' },
    name,
    html('td', {}, html('b', { textContent: number(mean, 1) }), html('small', { textContent: ` ± ${number((to - from) / 2, 1)}` })),
    html('td', { className: 'cell-chart' }, picture),
    html('td', { textContent: optimal === null ? '–' : `${number(optimal * 100, 1)} %` }),
    html('td', { textContent: number(steps, 1) }),
  );
}
