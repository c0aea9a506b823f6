// What a pipeline tells, as it tells it.

import { reading } from '../format.js';

const KEPT = 60;
const MOST_COLUMNS = 12;

const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 1 });

function shown(value) {
  if (typeof value === 'number') return reading(value);
  return value === null || value === undefined ? '\u2013' : String(value);
}

/** The newest results in a table, newest first; a correction takes the place of what it corrects. */
export class Results {
  #kept = []; // frames, newest first
  #columns = [];
  #changed = false;
  #filter = '';

  constructor({ head, body, empty, filter, count }) {
    Object.assign(this, { head, body, empty, filter, count });
    this.heard = 0;
    filter.addEventListener('input', () => {
      this.#filter = filter.value.trim().toLowerCase();
      this.#changed = true;
      this.render();
    });
  }

  /** Another pipeline is looked at. */
  clear() {
    this.#kept = [];
    this.#columns = [];
    this.heard = 0;
    this.#changed = true;
    this.render();
  }

  /** Takes in a `pipeline_result`. */
  add(frame) {
    this.heard += 1;
    this.#changed = true;
    // An early result or the one it corrects speaks of the same period.
    const at = this.#kept.findIndex((other) => other.key === frame.key && other.start === frame.start && other.kind !== 'late');
    if (at >= 0 && frame.kind !== 'late') this.#kept.splice(at, 1);
    this.#kept.unshift({ ...frame, at: performance.now() });
    if (this.#kept.length > KEPT * 8) this.#kept.length = KEPT * 8;
    for (const name of Object.keys(frame.data)) if (this.#columns.length < MOST_COLUMNS && !this.#columns.includes(name)) this.#columns.push(name);
  }

  /** What is kept, newest first, as the filter lets it through. */
  rows() {
    const fits = (frame) => !this.#filter || frame.key.toLowerCase().includes(this.#filter);
    return this.#kept.filter(fits).slice(0, KEPT);
  }

  /** Draws what changed. */
  render() {
    if (!this.#changed) return;
    this.#changed = false;
    const rows = this.rows();
    this.empty.hidden = rows.length > 0;
    this.count.textContent = this.heard ? String(this.heard) : '';
    const cell = (tag, text, className = '') => Object.assign(document.createElement(tag), { textContent: text, className });
    const headings = rows.length ? ['Key', 'Period', ...this.#columns] : [];
    this.head.replaceChildren(...headings.map((text) => Object.assign(cell('th', text), { scope: 'col' })));
    this.body.replaceChildren(...rows.map((frame) => {
      const row = document.createElement('tr');
      row.dataset.kind = frame.kind;
      const key = cell('th', frame.key);
      key.scope = 'row';
      if (frame.kind !== 'final') key.append(cell('span', frame.kind, 'kind'));
      const [start, end] = [new Date(frame.start), new Date(frame.timestamp)];
      const period = frame.start === frame.timestamp ? time.format(end) : `${time.format(start)} – ${time.format(end)}`;
      row.append(key, cell('td', period, 'period'), ...this.#columns.map((name) => cell('td', shown(frame.data[name]), frame.quality?.[name] === undefined ? '' : 'doubtful')));
      return row;
    }));
  }
}
