// What an agent does, from its publications: the present episode and the returns of those before.

const MOST_RETURNS = 60;

/** An agent's story so far. */
export class Episode {
  constructor() {
    this.clear();
  }

  clear() {
    this.environment = '';
    this.state = null;
    this.number = 0;
    this.totalReward = 0;
    this.best = null;
    this.last = null; // The newest step.
    this.over = true;
    this.returns = []; // {episode, total, best}
    this.steps = 0; // Steps heard of.
    this.heard = 0; // Updates that changed what there is to see.
  }

  /** Where the agent stood when it was asked for, which was when `heard` updates had come: whoever heard more since knows better. */
  look(view, heard = this.heard) {
    if (heard !== this.heard) return;
    const isSame = view.episode === this.number && view.state?.step_count === this.state?.step_count;
    this.environment = view.environment;
    this.state = view.state;
    this.number = view.episode;
    this.totalReward = view.total_reward;
    this.best = view.best_return;
    this.over = view.over;
    // A step as it was told has more to it: what the policy thought.
    if (view.last && !(isSame && this.last)) this.last = { ...view.last, action_name: view.actions[view.last.action] };
  }

  /** Takes in an update; whether it changed what there is to see. */
  take(update) {
    const changed = this.#take(update);
    if (changed) this.heard += 1;
    return changed;
  }

  #take(update) {
    switch (update.kind) {
      case 'episode_started':
      case 'episode_reset':
        Object.assign(this, { environment: update.state.environment, state: update.state.state, number: update.episode, totalReward: 0, last: null, over: false, best: null });
        return true;
      case 'step':
        Object.assign(this, { environment: update.environment, state: update.state, number: update.episode, totalReward: update.total_reward, last: update, over: update.terminated || update.truncated });
        this.steps += 1;
        return true;
      case 'episode_ended':
        this.best = update.best_return;
        if (this.returns.at(-1)?.episode !== update.episode) this.returns.push({ episode: update.episode, total: update.total_reward, best: update.best_return });
        if (this.returns.length > MOST_RETURNS) this.returns.shift();
        return true;
      default:
        return false;
    }
  }
}
