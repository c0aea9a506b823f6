// What is worth a line: alerts, coaching feedback, gaps and refusals.

const MOST = 40;

/** The list of notices, newest first. */
export class Notices {
  constructor(list, empty) {
    this.list = list;
    this.empty = empty;
  }

  /** Adds a line; `tone` is `info`, `low`, `medium`, `high` or `critical`. */
  add(subject, text, tone = 'info', time = new Date().toISOString()) {
    const line = document.createElement('li');
    line.dataset.tone = tone;
    const moment = document.createElement('time');
    const date = new Date(time);
    moment.dateTime = time;
    moment.textContent = Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString([], { hour12: false });
    const who = document.createElement('b');
    who.textContent = subject;
    const what = document.createElement('span');
    what.textContent = text;
    line.append(moment, who, what);
    this.list.prepend(line);
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
    this.empty.hidden = true;
  }

  /** An alert publication. */
  alert({ vehicleId, alert, timestamp }) {
    this.add(vehicleId, alert?.message ?? 'Alert', alert?.severity ?? 'medium', timestamp);
  }

  /** A coaching publication. */
  feedback({ driverId, feedback, timestamp }) {
    this.add(driverId, spoken(feedback), 'info', timestamp);
  }
}

/** Feedback is any JSON value: its text, wherever that is. */
function spoken(feedback) {
  if (typeof feedback === 'string') return feedback;
  for (const name of ['message', 'text', 'summary', 'feedback']) if (typeof feedback?.[name] === 'string') return feedback[name];
  return JSON.stringify(feedback);
}
