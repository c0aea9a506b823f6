// All pipelines: which there are, what they do, which one is looked at.

import { count, perSecond, Rates } from './rates.js';

const make = (tag, className, parent) => {
  const element = document.createElement(tag);
  element.className = className;
  parent.append(element);
  return element;
};

/** A list of links `#<name>` with state and rates. */
export class PipelineList {
  #rows = new Map(); // name -> parts
  #rates = new Rates();

  constructor({ host, empty }) {
    this.host = host;
    this.empty = empty;
  }

  /** Shows `pipelines` as they were told at `at` (ms). */
  show(pipelines, chosen, at) {
    this.empty.hidden = pipelines.length > 0;
    for (const [name, row] of this.#rows) {
      if (pipelines.some((pipeline) => pipeline.name === name)) continue;
      row.item.remove();
      this.#rows.delete(name);
    }
    pipelines.forEach((pipeline, index) => {
      const row = this.#rows.get(pipeline.name) ?? this.#add(pipeline.name);
      if (this.host.children[index] !== row.item) this.host.insertBefore(row.item, this.host.children[index] ?? null);
      this.#write(row, pipeline, at);
      if (pipeline.name === chosen) row.link.setAttribute('aria-current', 'true');
      else row.link.removeAttribute('aria-current');
    });
  }

  #add(name) {
    const item = document.createElement('li');
    const link = make('a', '', item);
    link.href = `#${encodeURIComponent(name)}`;
    const head = make('span', 'head', link);
    const dot = make('i', 'dot', head);
    make('b', '', head).textContent = name;
    const rate = make('span', 'rate', head);
    const about = make('small', '', link);
    const row = { item, link, dot, rate, about };
    this.#rows.set(name, row);
    return row;
  }

  #write(row, pipeline, at) {
    row.dot.dataset.state = pipeline.state;
    const { results, name } = pipeline;
    const told = results.final + results.early + results.corrections;
    const [took, gave] = [this.#rates.rate(`${name} in`, pipeline.samplesTaken, at), this.#rates.rate(`${name} out`, told, at)];
    const rate = pipeline.state === 'running' ? `${perSecond(took)} → ${perSecond(gave)} /s` : pipeline.state;
    if (row.rate.textContent !== rate) row.rate.textContent = rate;
    const late = results.late ? ` · ${count(results.late)} late` : '';
    const about = (pipeline.failure ?? pipeline.description ?? '') + late;
    if (row.about.textContent !== about) row.about.textContent = about;
  }
}
