// The session room: which one is looked at, and its numbers.

import { kmh, lapTime, number } from './format.js';

/** The choice of session and the strip of its KPIs. */
export class SessionRoom {
  #listed = '';

  /** `onChoose(id)` with '' for all vehicles. */
  constructor({ select, strip }, { onChoose }) {
    this.select = select;
    this.strip = strip;
    this.chosenByHand = false;
    select.addEventListener('change', () => {
      this.chosenByHand = true;
      onChoose(select.value);
    });
  }

  /** Lists the sessions heard of, and keeps `session` chosen. */
  list(sessions, session) {
    const listed = JSON.stringify([sessions, session]);
    if (listed === this.#listed) return;
    this.#listed = listed;
    const options = [new Option('All vehicles', ''), ...sessions.map((id) => new Option(`Session ${id}`, id))];
    this.select.replaceChildren(...options);
    this.select.value = session;
  }

  /** Shows a session's numbers; hides the strip where there are none. */
  show(metrics) {
    this.strip.hidden = !metrics;
    if (!metrics) return;
    const best = metrics.bestLapVehicle ? `${lapTime(metrics.bestLapS ?? NaN)}` : '\u2013';
    const numbers = {
      vehicles: number(metrics.vehicles),
      laps: number(metrics.laps),
      best,
      'best-by': metrics.bestLapVehicle ?? '',
      top: kmh(metrics.topSpeedMps),
      mean: kmh(metrics.meanSpeedMps),
      distance: number(metrics.distanceM / 1000, 1),
      samples: number(metrics.samples),
    };
    for (const [name, text] of Object.entries(numbers)) {
      const place = this.strip.querySelector(`[data-kpi="${name}"]`);
      if (place.textContent !== text) place.textContent = text;
    }
  }
}
