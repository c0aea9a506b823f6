// The chosen pipeline's own numbers: one strip above its graph.

import { bytes, count, nanos, perSecond, seconds } from './rates.js';

/** What the strip says of `statistics`; rates from `rates`, read at `at` (ms). `[{id, text, note, tone}]`. */
export function factsOf(statistics, rates, at) {
  const { results, steps, state } = statistics;
  const running = state === 'running';
  const told = results.final + results.early + results.corrections;
  const rate = (name, value) => (running ? rates.rate(name, value, at) : 0);
  const dropped = steps.reduce((sum, step) => sum + step.dropped, 0);
  const slowest = steps.reduce((most, step) => ((step.nanos_p99 ?? 0) > (most?.nanos_p99 ?? 0) ? step : most), null);
  return [
    { id: 'in', text: `${perSecond(rate('facts in', statistics.samplesTaken))}/s`, note: `${count(statistics.samplesTaken)} in` },
    { id: 'out', text: `${perSecond(rate('facts out', told))}/s`, note: `${count(told)} results` },
    { id: 'late', text: count(results.late), note: 'late', tone: results.late ? 'warn' : '' },
    { id: 'dropped', text: count(dropped), note: 'dropped' },
    { id: 'lag', text: seconds(statistics.watermarkLagS), note: 'watermark lag' },
    { id: 'behind', text: count(statistics.lagRecords), note: 'records waiting', tone: statistics.lagRecords > 10_000 ? 'warn' : '' },
    { id: 'state', text: bytes(statistics.stateBytes), note: `state, ${bytes(statistics.stateBytesPerKey)} a key` },
    { id: 'slowest', text: nanos(slowest?.nanos_p99 ?? NaN), note: slowest ? `p99, ${slowest.name}` : 'p99 a row' },
  ];
}

/** Writes facts into a strip of `<div data-fact><b></b><span></span></div>`. */
export function showFacts(host, facts) {
  for (const { id, text, note, tone = '' } of facts) {
    let place = host.querySelector(`[data-fact="${id}"]`);
    if (!place) {
      place = document.createElement('div');
      place.dataset.fact = id;
      place.append(document.createElement('b'), document.createElement('span'));
      host.append(place);
    }
    place.dataset.tone = tone;
    if (place.firstChild.textContent !== text) place.firstChild.textContent = text;
    if (place.lastChild.textContent !== note) place.lastChild.textContent = note;
  }
}
