// A pipeline's description as a graph: what flows into what.

const PUT_IN = 'reorder (put in)';

/** Text short enough for one line of a node. */
function brief(value) {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(brief).join(', ');
  if (value && typeof value === 'object') return Object.entries(value).map(([name, inner]) => `${name} ${brief(inner)}`).join('; ');
  return String(value);
}

/** What a source takes. */
function sourceAbout(source = {}) {
  const parts = [brief(source.vehicles ?? 'all vehicles')];
  if (source.fleet) parts.push(`fleet ${source.fleet}`);
  if (source.session) parts.push(`session ${source.session}`);
  if (source.signals) parts.push(brief(source.signals));
  if (source.key && source.key !== 'vehicle') parts.push(`by ${source.key}`);
  return parts.join(' · ');
}

const LENGTHS = ['size', 'every', 'gap', 'rows', 'signal', 'metres'];

/** What a step is told to do. */
export function stepAbout(step) {
  const { op, name: _name, with: _with, ...fields } = step;
  if (op === 'window') {
    const lengths = LENGTHS.filter((field) => fields[field] !== undefined).map((field) => `${fields[field]}${field === 'rows' ? ' rows' : field === 'metres' ? ' m' : ''}`);
    return `${fields.kind} ${lengths.join(' / ')} · ${brief(fields.of ?? '')}`;
  }
  if (op === 'filter') return brief(fields.when ?? '');
  if (op === 'derive') return Object.entries(fields.set ?? {}).map(([name, expression]) => `${name} = ${expression}`).join('; ');
  if (op === 'rename') return Object.entries(fields.to ?? {}).map(([before, after]) => `${before} → ${after}`).join(', ');
  return brief(fields);
}

/** Where results go: `[{id, op, about}]`. */
function outputs(name, declared = {}) {
  const list = [];
  if (declared.channel !== false) list.push({ id: 'out:channel', op: `pipeline:${name}`, about: 'channel' });
  if (declared.per_key) list.push({ id: 'out:keys', op: `pipeline:${name}.<key>`, about: 'a channel for each key' });
  if (declared.late) list.push({ id: 'out:late', op: `pipeline:${name}.late`, about: 'late rows' });
  if (declared.series) list.push({ id: 'out:series', op: 'time series', about: `${declared.series.prefix ?? name}.*` });
  if (declared.alerts) list.push({ id: 'out:alerts', op: 'alerts:<key>', about: declared.alerts.type ?? 'alerts' });
  return list;
}

/**
 * `{main, sides, outputs}`: `main` is the chain of nodes `{id, kind, op, name, about, stats}` from the source to the last
 * step, `sides` has for a step's id the chain that leads into it, `stats` is a place in the statistics' list of steps (-1 where there
 * is none yet: a pipeline that has not run). Order steps that the server put in by itself are nodes, too.
 */
export function shapeOf(document, statistics = []) {
  let next = 0;
  const main = [{ id: 'source', kind: 'source', op: 'source', name: '', about: sourceAbout(document.source), stats: -1 }];
  const sides = new Map();
  const putIn = (chain, prefix) => {
    if (statistics[next]?.name !== PUT_IN) return;
    chain.push({ id: `${prefix}:order${next}`, kind: 'step', op: 'reorder', name: 'put in', about: 'by event time', stats: next });
    next += 1;
  };
  const add = (chain, steps, prefix) => {
    for (const [index, step] of (steps ?? []).entries()) {
      const id = `${prefix}:${index}`;
      putIn(chain, prefix);
      if (step.with) {
        const side = [{ id: `${id}:source`, kind: 'source', op: 'second source', name: '', about: sourceAbout(step.with.source), stats: -1 }];
        add(side, step.with.steps, `${id}:side`);
        sides.set(id, side);
      }
      const stats = next < statistics.length ? next : -1;
      next += 1;
      chain.push({ id, kind: 'step', op: step.op, name: step.name && step.name !== step.op ? step.name : '', about: stepAbout(step), stats });
    }
  };
  add(main, document.steps, 'step');
  return { main, sides, outputs: outputs(document.name, document.outputs) };
}
