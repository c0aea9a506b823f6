// The graph: nodes with live numbers, and between them lines that move while something flows.

import { layoutOf } from './layout.js';
import { bytes, count, nanos, perSecond, seconds } from './rates.js';

const SVG = 'http://www.w3.org/2000/svg';

function make(tag, className, parent) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  parent?.append(element);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Draws a shape in `host` and writes numbers into it. */
export class Graph {
  #shape = null;
  #nodes = new Map(); // id -> {element, cells: label -> {cell, value}}
  #edges = []; // {from, to, path, label, rate}
  #width = 0;

  constructor(host) {
    this.host = host;
    new ResizeObserver(() => this.#shape && host.clientWidth !== this.#width && this.draw(this.#shape)).observe(host);
  }

  /** Draws another shape, or the same for another width. */
  draw(shape) {
    this.#shape = shape;
    this.#width = this.host.clientWidth;
    // Where lines go past nodes they need a margin.
    const layout = layoutOf(shape, Math.max(200, this.#width - 24));
    this.#nodes.clear();
    this.#edges = [];
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('width', this.#width);
    svg.setAttribute('height', layout.height + 4);
    svg.setAttribute('aria-hidden', 'true');
    for (const edge of layout.edges) this.#edges.push({ ...edge, ...this.#line(svg, edge.path) });
    this.host.replaceChildren(svg);
    this.host.style.height = `${layout.height + 4}px`;
    const chains = [shape.main, ...shape.sides.values()].flat();
    for (const node of chains) this.#node(node, layout.places.get(node.id));
    for (const node of shape.outputs) this.#output(node, layout.places.get(node.id));
  }

  #line(svg, path) {
    const group = document.createElementNS(SVG, 'g');
    const [under, over] = [document.createElementNS(SVG, 'path'), document.createElementNS(SVG, 'path')];
    for (const line of [under, over]) {
      line.setAttribute('d', path);
      line.setAttribute('transform', 'translate(12 2)');
      group.append(line);
    }
    over.setAttribute('class', 'flow');
    group.setAttribute('class', 'edge');
    svg.append(group);
    return { group };
  }

  #box(node, place, className) {
    const element = make('article', className, this.host);
    Object.assign(element.style, { left: `${place.x + 12}px`, top: `${place.y + 2}px`, width: `${place.width}px`, height: `${place.height}px` });
    element.dataset.node = node.id;
    const head = make('h3', '', element);
    make('b', '', head).textContent = node.op;
    if (node.name) make('em', '', head).textContent = node.name;
    return element;
  }

  #node(node, place) {
    const element = this.#box(node, place, `node ${node.kind}`);
    const about = make('p', 'about', element);
    about.textContent = node.about || '\u00a0';
    about.title = node.about;
    const list = make('dl', '', element);
    const cells = new Map();
    const second = node.kind === 'source' && node.id !== 'source';
    const labels = second ? ['in'] : node.kind === 'source' ? ['in', 'vehicles', 'watermark', 'idle'] : ['in', 'out', 'p50', 'p99', 'state', 'late', 'dropped'];
    for (const label of labels) {
      const cell = make('div', '', list);
      cell.dataset.number = label;
      make('dt', '', cell).textContent = label;
      cells.set(label, { cell, value: make('dd', '', cell) });
    }
    this.#nodes.set(node.id, { element, cells });
  }

  #output(node, place) {
    const element = this.#box(node, place, 'node output');
    const about = make('p', 'about', element);
    const cells = new Map([['about', { cell: about, value: about }]]);
    about.textContent = node.about;
    this.#nodes.set(node.id, { element, cells });
  }

  /** Writes the numbers of `statistics`; `rates` keeps what they were, `at` is when they were read (ms). */
  show(statistics, rates, at) {
    if (!this.#shape) return;
    const running = statistics.state === 'running';
    const flowing = new Map();
    const rate = (name, value) => (running ? rates.rate(name, value, at) : 0);
    const took = rate('in', statistics.samplesTaken);
    const step = (node) => statistics.steps[node.stats];
    for (const chain of [this.#shape.main, ...this.#shape.sides.values()]) {
      for (const [index, node] of chain.entries()) {
        const numbers = step(node);
        if (node.id === 'source') {
          flowing.set(node.id, took);
          this.#write(node.id, {
            in: `${perSecond(took)}/s`,
            vehicles: count(statistics.sources),
            watermark: `${seconds(statistics.watermarkLagS)} behind`,
            idle: statistics.idleSources ? `${count(statistics.idleSources)} vehicles` : null,
          });
        } else if (node.kind === 'source') {
          // What comes in by itself is not counted: what its first step got is the same.
          const first = chain[index + 1] && step(chain[index + 1]);
          const got = first ? rate(`${node.id} in`, first.rows_in) : NaN;
          flowing.set(node.id, got);
          this.#write(node.id, { in: first ? `${perSecond(got)}/s` : null });
        } else if (numbers) {
          const out = rate(`${node.stats} out`, numbers.rows_out);
          flowing.set(node.id, out);
          this.#write(node.id, {
            in: `${perSecond(rate(`${node.stats} in`, numbers.rows_in))}/s`,
            out: `${perSecond(out)}/s`,
            p50: nanos(numbers.nanos_p50 ?? NaN),
            p99: nanos(numbers.nanos_p99 ?? NaN),
            state: numbers.state_bytes ? bytes(numbers.state_bytes) : null,
            late: numbers.late ? count(numbers.late) : null,
            dropped: numbers.dropped ? count(numbers.dropped) : null,
          });
          this.#nodes.get(node.id).element.title = `${node.name || node.op}: ${numbers.rows_in} rows in, ${numbers.rows_out} out, ${numbers.late} late, ${numbers.dropped} dropped; longest row ${nanos(numbers.nanos_max ?? NaN)}, longest watermark ${nanos(numbers.advance_nanos_max ?? NaN)}`;
        }
      }
    }
    this.#outputs(statistics);
    for (const edge of this.#edges) {
      const now = edge.to === 'out:late' ? rate('late', statistics.results.late) : flowing.get(edge.from);
      edge.group.classList.toggle('moving', now > 0);
      edge.group.style.setProperty('--weight', String(1.5 + Math.min(3.5, Math.log10(1 + (now > 0 ? now : 0)))));
    }
  }

  #outputs({ results, waitingBatches }) {
    const written = results.final + results.corrections;
    const more = (value, word) => (value ? `, ${count(value)} ${word}` : '');
    const told = `${count(results.final)} final${more(results.early, 'early')}${more(results.corrections, 'corrected')}`;
    this.#write('out:channel', { about: told });
    this.#write('out:keys', { about: told });
    this.#write('out:late', { about: `${count(results.late)} late` });
    this.#write('out:series', { about: `${count(written)} written${more(waitingBatches, 'batches waiting')}` });
    this.#write('out:alerts', { about: `${count(results.final)} alerts` });
  }

  #write(id, numbers) {
    const node = this.#nodes.get(id);
    if (!node) return;
    for (const [label, text] of Object.entries(numbers)) {
      const { cell, value } = node.cells.get(label);
      cell.hidden = text === null;
      if (text !== null) write(value, text);
    }
  }
}
