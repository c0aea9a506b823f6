// Which of several grounds the map shows: those of different frames of reference, or far from one another, are not drawn over each other.

/** The frames that have vehicles, the one with most of them first; and the one to show: picked, or the current vehicle's, or that with most. */
export function chooseFrame(vehicles, { picked, current, shown }) {
  const counts = new Map();
  let own = '';
  for (const { id, frame, position } of vehicles) {
    if (!position) continue;
    counts.set(frame, (counts.get(frame) ?? 0) + 1);
    if (id === current) own = frame;
  }
  // The order of equal ones is that of their names: it does not change from one picture to the next.
  const frames = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a.localeCompare(b));
  const frame = [picked, own].find((wanted) => wanted && counts.has(wanted)) ?? frames[0] ?? shown;
  return { frames, frame, count: counts.get(frame) ?? 0 };
}
