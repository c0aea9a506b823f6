// What to subscribe to for what is being looked at.

/** A sample a second of every vehicle tells who exists without costing much. */
const DISCOVERY = { max_rate: 1 };
/** Above this many vehicles only the chosen ones come at their full rate. */
const MOST_FULL_RATE = 120;
/** Publications a second that all vehicles together may send here while the page is overloaded. */
const OVERLOAD_BUDGET = 1_500;

/**
 * Channel -> delivery. `session` is the chosen session or '', `vehicles` the ids in view, `chosen` those plotted,
 * `patterns` what the token is limited to, where it is.
 *
 * A session's channel carries its vehicles' samples and its numbers. The chosen vehicles are asked for by name as
 * well: a vehicle's own channel remembers further back than a whole session's, so plots start full and stay whole
 * across a reconnect.
 */
export function wantedChannels({ session, vehicles, chosen, overloaded, patterns }) {
  if (patterns) return new Map(patterns.map((pattern) => [pattern, 'all']));
  const wanted = new Map([['telemetry:*', DISCOVERY]]);
  if (session && !overloaded) {
    wanted.set(`session:${session}`, 'all');
    for (const id of chosen) wanted.set(`telemetry:${id}`, 'all');
    return wanted;
  }
  for (const kind of ['alerts', 'ai']) wanted.set(`${kind}:*`, 'all');
  if (vehicles.length > MOST_FULL_RATE) wanted.set('telemetry:*', { max_rate: 4 });
  const full = vehicles.length > MOST_FULL_RATE ? chosen : vehicles;
  const rate = Math.max(2, Math.floor(OVERLOAD_BUDGET / Math.max(1, full.length)));
  for (const id of full) wanted.set(`telemetry:${id}`, overloaded ? { max_rate: rate } : 'all');
  return wanted;
}
