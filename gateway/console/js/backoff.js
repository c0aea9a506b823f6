// How long to wait before the next attempt.

const FIRST_MS = 300;
const LONGEST_MS = 10_000;

/**
 * Milliseconds before attempt `attempt` (from 0): doubling up to ten seconds, with jitter over the upper half,
 * so that a restarted server does not see all its clients at the same moment.
 */
export function backoff(attempt, random = Math.random) {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return full * (0.5 + 0.5 * random());
}
