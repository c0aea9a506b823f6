// The training of the agent in view: its curve, how far it is, and what came of it.

import { number } from '../format.js';
import { Curve } from './curve.js';
import { reading } from './stage.js';

const WORDS = { running: 'learning', stopping: 'stopping', done: 'done', stopped: 'stopped', failed: 'failed', interrupted: 'interrupted' };
const NAMES = { dqn: 'DQN', q_table: 'Q-table', fitted_q: 'Fitted Q' };

/** Shows a training and keeps it up with its publications. */
export class TrainingPanel {
  constructor(places) {
    this.places = places;
    this.curve = new Curve(places.curve);
    this.now = null;
  }

  /** A training as the server tells it; `null`: there was none. */
  show(training) {
    this.now = training;
    this.draw();
  }

  get isRunning() {
    return this.now !== null && ['running', 'stopping'].includes(this.now.state);
  }

  /** Takes in a publication; `'ask'` where the server knows more than this page. */
  take(update) {
    if (update.kind === 'training_started' || update.kind === 'training_ended') return 'ask';
    if (update.kind !== 'training_progress') return '';
    if (this.now?.id !== update.training) return 'ask';
    const { now } = this;
    if (!this.isRunning || update.steps <= now.progress.steps) return '';
    const { steps, episodes, updates, episode_reward, loss, epsilon } = update;
    now.progress = { steps, episodes, updates, episode_reward, loss, epsilon };
    now.learning_s = update.learning_s;
    now.curve.learning.push({ steps, episode_reward, loss, epsilon });
    if (update.evaluation) {
      const { mean, confidence_95: [low, high] } = update.evaluation;
      now.curve.evaluated.push({ steps, mean, low, high });
    }
    this.draw();
    return '';
  }

  draw() {
    const { now, places } = this;
    places.empty.hidden = Boolean(now);
    places.state.dataset.state = now?.state ?? '';
    const word = now ? WORDS[now.state] : '';
    if (places.state.textContent !== word) places.state.textContent = word;
    places.of.textContent = now ? `${NAMES[now.plan.learner.algorithm] ?? ''}, seed ${now.plan.seed}` : '';
    places.stop.hidden = !this.isRunning;
    places.learn.hidden = this.isRunning;
    places.resume.hidden = !['stopped', 'interrupted'].includes(now?.state);
    const share = now ? Math.min(100, (100 * now.progress.steps) / now.plan.steps) : 0;
    places.meter.hidden = !now;
    places.meter.firstElementChild.style.setProperty('--share', share / 100);
    places.meter.setAttribute('aria-valuenow', Math.round(share));
    places.message.hidden = !now?.message;
    places.message.textContent = now?.message ?? '';
    places.message.dataset.tone = now?.state === 'failed' ? 'bad' : '';
    places.numbers.replaceChildren(...(now ? this.#numbers(now).map(reading) : []));
    if (now) this.curve.draw(now);
    else places.curve.replaceChildren();
  }

  #numbers({ plan, progress, curve, outcome, learning_s: seconds }) {
    const newest = curve.evaluated.at(-1);
    const result = outcome
      ? { name: outcome.deployed ? 'result, played now' : 'result', value: number(outcome.evaluation.mean, 1), of: `± ${number(outcome.evaluation.mean - outcome.evaluation.confidence_95[0], 1)}`, tone: 'good' }
      : { name: 'policy', value: number(newest?.mean ?? NaN, 1), of: newest ? `± ${number(newest.mean - newest.low, 1)}` : '', tone: 'accent' };
    return [
      result,
      { name: 'while learning', value: number(progress.episode_reward ?? NaN, 1) },
      { name: 'steps', value: number(progress.steps), of: `of ${number(plan.steps)}` },
      { name: 'episodes', value: number(progress.episodes) },
      { name: 'by chance', value: number(progress.epsilon * 100, 0), of: '%' },
      { name: 'loss', value: number(progress.loss ?? NaN, 4) },
      { name: 'learnt for', value: number(seconds, 1), of: 's' },
    ];
  }
}
