// The stage: the world's picture, the numbers beside it, what the policy thought, and the returns so far.

import { number } from '../format.js';
import { BusWorld } from './bus.js';
import { RoadWorld } from './road.js';
import { html } from './svg.js';

const WORLDS = { daladala: BusWorld, avoidance: RoadWorld };

/** Shows an `Episode`. */
export class Stage {
  #world = null;
  #environment = '';

  /** Takes the elements it writes into, by name. */
  constructor(places) {
    this.places = places;
  }

  /** An agent was chosen; `null`: there is none. */
  open(environment) {
    const { stage, picture, hud, empty } = this.places;
    this.#environment = environment ?? '';
    stage.dataset.environment = this.#environment;
    const World = WORLDS[environment];
    this.#world = World ? new World(picture) : null;
    picture.replaceChildren();
    this.#world?.open();
    hud.hidden = true;
    empty.hidden = Boolean(environment);
  }

  draw(episode, actions) {
    const { hud, empty } = this.places;
    if (!this.#world) return;
    const { state } = episode;
    hud.hidden = !state;
    empty.hidden = true;
    this.#returns(episode);
    this.places.episode.textContent = episode.number ? `${episode.number}, step ${state?.step_count ?? 0}${episode.over ? ', over' : ''}` : '';
    if (!state) return;
    this.#world.draw(state);
    this.places.total.textContent = number(episode.totalReward, 1);
    this.places.best.textContent = episode.best === null || episode.best === undefined ? '' : `of ${number(episode.best, 1)} possible`;
    this.places.numbers.replaceChildren(...this.#world.numbers(state).map(reading));
    this.#deed(episode.last);
    this.#scores(episode.last, actions);
  }

  #deed(last) {
    const { deed, reward, chosenBy } = this.places;
    deed.textContent = last?.action_name ? words(last.action_name) : '–';
    chosenBy.textContent = last?.stopped_by ? `Shield: ${last.stopped_by}` : last?.chosen_by === 'caller' ? 'Chosen by hand' : 'Last action';
    reward.textContent = last ? `${last.reward > 0 ? '+' : ''}${number(last.reward, 1)}` : '';
    reward.dataset.tone = !last || last.reward === 0 ? '' : last.reward > 0 ? 'good' : 'bad';
  }

  /** A bar an action: Q-values between the lowest and the highest, probabilities as they are. */
  #scores(last, actions) {
    const thought = last?.policy;
    const { scores } = this.places;
    scores.hidden = !thought;
    if (!thought) return;
    const low = Math.min(...thought.scores);
    const high = Math.max(...thought.scores);
    const chances = thought.score_kind === 'probabilities';
    scores.replaceChildren(
      ...thought.scores.map((score, action) => {
        const bar = html('i');
        bar.style.setProperty('--share', chances ? score : high > low ? 0.04 + (0.96 * (score - low)) / (high - low) : 1);
        const line = html('li', {}, html('span', { textContent: words(actions[action] ?? String(action)) }), bar, html('b', { textContent: chances ? `${number(score * 100, 1)} %` : number(score, 2) }));
        line.classList.toggle('taken', action === last.action);
        line.classList.toggle('differs', last.shadow?.action === action && last.shadow.action !== last.action);
        return line;
      }),
    );
  }

  #returns({ returns }) {
    const { returns: place } = this.places;
    const most = Math.max(1, ...returns.map(({ total, best }) => Math.max(total, best ?? 0)));
    place.replaceChildren(
      ...returns.map(({ episode, total, best }) => {
        const bar = html('i', { title: `Episode ${episode}: ${number(total, 1)}${best === null ? '' : ` of ${number(best, 1)}`}` });
        bar.style.setProperty('--height', Math.max(0.03, total / most));
        bar.classList.toggle('best', best !== null && total >= best);
        return bar;
      }),
    );
    place.setAttribute('aria-label', returns.length ? `Returns of the last ${returns.length} episodes, newest ${number(returns.at(-1).total, 1)}` : 'No episode has ended yet');
  }
}

/** A number with its name, and a bar where it is a share of something. */
export function reading({ name, value, of = '', tone = '', share }) {
  const item = html('div', {}, html('dt', { textContent: name }), html('dd', {}, html('b', { textContent: value }), of ? html('span', { textContent: of }) : ''));
  if (tone) item.dataset.tone = tone;
  if (share !== undefined) {
    const bar = html('i', { className: 'share' });
    bar.style.setProperty('--share', Math.min(1, share));
    item.append(bar);
  }
  return item;
}

/** `hard_brake` and `SpeedUp` as words. */
export function words(name) {
  return name.replaceAll('_', ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
}
