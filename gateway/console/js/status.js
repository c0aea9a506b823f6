// The connection's state, message rate and latency, in the header and the footer.

import { millis, number } from './format.js';

const WORDS = { idle: 'No token', connecting: 'Connecting', live: 'Live', waiting: 'Reconnecting', refused: 'Token refused', stopped: 'Disconnected' };

/** Shows a state of a `Connection` in the header's elements. */
export function showState({ pill, text, why, retry }, state) {
  pill.dataset.phase = state.phase;
  // Attempts that follow one another are one state to whoever listens to it read aloud.
  const words = WORDS[state.phase === 'connecting' && state.why ? 'waiting' : state.phase];
  if (text.textContent !== words) text.textContent = words;
  retry.hidden = !['waiting', 'stopped'].includes(state.phase);
  const seconds = Math.max(0, (state.retryAt - Date.now()) / 1000);
  const reason = state.phase === 'waiting' ? `${state.why}; next attempt in ${seconds.toFixed(seconds < 3 ? 1 : 0)} s` : state.phase === 'live' ? '' : state.why;
  if (why.textContent !== reason) why.textContent = reason;
}

/** Shows `Connection` states and once a second the rates. */
export class StatusBar {
  #rateAt = 0;
  #before = { received: 0, samples: 0 };
  #state = null;

  constructor({ pill, text, why, retry, rates }, { onRetry }) {
    Object.assign(this, { pill, text, why, retry, rates });
    this.rate = 0;
    retry.addEventListener('click', onRetry);
  }

  /** A new state of the connection. */
  state(state) {
    this.#state = state;
    this.tick();
  }

  /** Counts down to the next attempt. */
  tick() {
    if (this.#state) showState(this, this.#state);
  }

  /** Shows the numbers of the last second. */
  numbers({ now, inbox, store, serverLatency, sourceLatency, roundTrip, dropped, paused }) {
    const elapsed = now - this.#rateAt;
    if (elapsed < 1_000) return;
    this.rate = this.#rateAt ? ((inbox.received - this.#before.received) * 1000) / elapsed : 0;
    const samples = this.#rateAt ? ((store.samples - this.#before.samples) * 1000) / elapsed : 0;
    this.#rateAt = now;
    this.#before = { received: inbox.received, samples: store.samples };
    const server = serverLatency.percentiles(now);
    const source = sourceLatency.percentiles(now);
    const replayed = sourceLatency.replayed(now);
    this.#write({
      messages: number(this.rate),
      samples: number(samples),
      server: pair(server),
      source: replayed ? 'replay' : pair(source),
      'source-unit': replayed ? '' : 'ms source \u2192 screen',
      trip: millis(roundTrip),
      dropped: number(dropped),
    });
    this.rates.querySelector('[data-rate="dropped"]').parentElement.hidden = dropped === 0;
    this.rates.classList.toggle('stale', paused);
  }

  #write(numbers) {
    for (const [name, text] of Object.entries(numbers)) {
      const place = this.rates.querySelector(`[data-rate="${name}"]`);
      if (place.textContent !== text) place.textContent = text;
    }
  }
}

function pair({ p50, p95 }) {
  return `${millis(p50)} / ${millis(p95)}`;
}
