// Which signals are plotted: a dialog of checkboxes, discovered from the data.

import { bySubject, describe, isFavourite, meaning } from './signals.js';

const KEY = 'slipstream.signals';
const MOST_FIRST = 4;

/** Remembers the choice on this device; until there is one, the favourites that the data has. */
export class SignalPicker {
  #known = '';
  #chosen = null;

  /** `onChange()` after every change of the choice. */
  constructor({ dialog, list, summary }, { onChange }) {
    this.dialog = dialog;
    this.list = list;
    this.summary = summary;
    this.onChange = onChange;
    try {
      const stored = JSON.parse(localStorage.getItem(KEY));
      if (Array.isArray(stored)) this.#chosen = new Set(stored);
    } catch {
      // No storage, or not ours: start from the favourites.
    }
  }

  /** Opens or closes the dialog. */
  toggle() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  /** The signals to plot, of those in `names`; until somebody chooses, of those in `own`, which the plotted vehicles have. */
  chosen(names, own = names) {
    const sorted = [...names].sort(bySubject);
    if (this.#chosen) return sorted.filter((name) => this.#chosen.has(name));
    const told = own.length ? [...own].sort(bySubject) : sorted;
    // One name of each: a source may tell its speed twice.
    const roles = new Set();
    const favourites = told.filter((name) => isFavourite(name) && !roles.has(meaning(name).role) && roles.add(meaning(name).role));
    return (favourites.length ? favourites : told).slice(0, MOST_FIRST);
  }

  /** Lists `names` when they are not those listed. */
  offer(names) {
    const sorted = [...names].sort(bySubject);
    const known = sorted.join('\n');
    if (known === this.#known) return;
    this.#known = known;
    const chosen = new Set(this.chosen(names));
    this.list.replaceChildren(...sorted.map((name) => this.#choice(name, chosen.has(name), names)));
    this.summary.textContent = sorted.length ? `${sorted.length} signals in the data` : 'No signals heard yet.';
  }

  #choice(name, checked, names) {
    const { unit } = describe(name);
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = checked;
    box.value = name;
    box.addEventListener('change', () => this.#set(name, box.checked, names));
    const text = document.createElement('span');
    text.textContent = name;
    const small = document.createElement('small');
    small.textContent = unit;
    label.append(box, text, small);
    return label;
  }

  #set(name, wanted, names) {
    this.#chosen ??= new Set(this.chosen(names));
    if (wanted) this.#chosen.add(name);
    else this.#chosen.delete(name);
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#chosen]));
    } catch {
      // The choice lives as long as the page.
    }
    this.onChange();
  }
}
