// Work done again and again, only while somebody looks.

/** Calls `work()` every `every` ms while the page is visible, never twice at a time; at once when it becomes visible. */
export class Poll {
  #timer = 0;
  #working = false;
  #again = false;

  constructor(every, work) {
    this.every = every;
    this.work = work;
    this.rounds = 0;
    this.running = false;
    document.addEventListener('visibilitychange', () => this.running && this.now());
  }

  start() {
    this.running = true;
    this.now();
  }

  stop() {
    this.running = false;
    clearTimeout(this.#timer);
  }

  /** Works at once, or right after what is under way. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#working) {
      this.#again = true;
      return;
    }
    if (!this.running || document.hidden) return;
    this.#working = true;
    this.rounds += 1;
    try {
      await this.work();
    } finally {
      this.#working = false;
      clearTimeout(this.#timer);
      if (this.running) this.#timer = setTimeout(() => this.now(), this.#again ? 0 : this.every);
      this.#again = false;
    }
  }
}
