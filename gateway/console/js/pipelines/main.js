// The pipelines page, wired: REST for what there is and its numbers, the socket for results.

import { Api } from '../api.js';
import { Channels } from '../channels.js';
import { Connection } from '../connection.js';
import { Inbox } from '../inbox.js';
import { listenToKeys } from '../keys.js';
import { showState } from '../status.js';
import { claims, rememberToken, takeToken } from '../token.js';
import { factsOf, showFacts } from './facts.js';
import { Graph } from './graph.js';
import { PipelineList } from './list.js';
import { Poll } from './poll.js';
import { Rates } from './rates.js';
import { Results } from './results.js';
import { shapeOf } from './shape.js';

const EVERY_MS = 700;
const RESULTS_MS = 200;
const MANAGERS = ['admin', 'engineer'];
const element = (id) => document.getElementById(id);

const view = { name: '', pipelines: [], document: null, statistics: null, drawn: '', busy: false };
const api = new Api();
const rates = new Rates();
const inbox = new Inbox();
const graph = new Graph(element('graph'));
const list = new PipelineList({ host: element('pipelines'), empty: element('pipelines-empty') });
const results = new Results({ head: element('result-head'), body: element('results'), empty: element('results-empty'), filter: element('filter'), count: element('result-count') });
const pill = { pill: element('connection'), text: element('connection-text'), why: element('connection-why'), retry: element('retry') };
const connection = new Connection({ onState: showConnection, onOpen: () => channels.reopen(), onText: (text) => inbox.put(text) });
const channels = new Channels((frame) => connection.send(frame));
const poll = new Poll(EVERY_MS, refresh);

function say(text) {
  element('trouble').textContent = text;
  element('trouble').hidden = !text;
}

function showConnection(state) {
  showState(pill, state);
  const { phase, why } = state;
  const needed = phase === 'idle' || phase === 'refused';
  element('token-form').hidden = !needed;
  element('token-why').textContent = needed ? why : '';
  if (needed) element('token').focus();
  if (needed) poll.stop();
}

const named = () => decodeURIComponent(location.hash.slice(1));

/** One round of looking: the list, then the chosen one's numbers. */
async function refresh() {
  try {
    const pipelines = await api.get('/api/pipelines');
    view.pipelines = pipelines;
    const name = pipelines.some((pipeline) => pipeline.name === named()) ? named() : (pipelines[0]?.name ?? '');
    if (name !== view.name) choose(name);
    list.show(pipelines, view.name, performance.now());
    if (name) await look(name);
    say('');
  } catch (error) {
    if (error.status === 401) return;
    say(error.message);
  }
}

async function look(name) {
  const path = `/api/pipelines/${encodeURIComponent(name)}`;
  const [whole, statistics] = await Promise.all([view.document ? null : api.get(path), api.get(`${path}/stats`)]);
  if (name !== view.name) return; // Another was chosen meanwhile.
  if (whole) view.document = whole.document;
  view.statistics = statistics;
  show(view.pipelines.find((pipeline) => pipeline.name === name));
}

function choose(name) {
  Object.assign(view, { name, document: null, statistics: null, drawn: '' });
  rates.clear();
  results.clear();
  element('chosen').hidden = !name;
  channels.want(new Map(name ? [[`pipeline:${name}`, 'all']] : []));
}

function show(pipeline) {
  const { document: declared, statistics } = view;
  const running = statistics.state === 'running';
  element('name').textContent = pipeline.name;
  element('description').textContent = pipeline.description;
  element('state').dataset.state = statistics.state;
  element('state').textContent = statistics.state;
  element('failure').textContent = statistics.failure ?? '';
  element('failure').hidden = !statistics.failure;
  const may = MANAGERS.includes(claims(api.token).role);
  element('turn').hidden = !may;
  element('turn').disabled = view.busy;
  element('turn').textContent = running ? 'Pause' : 'Resume';
  element('may-not').hidden = may;
  // Order steps are known once it runs: then the graph is drawn anew.
  const shape = shapeOf(declared, statistics.steps);
  const drawn = JSON.stringify([declared, statistics.steps.map((step) => step.name)]);
  if (drawn !== view.drawn) {
    view.drawn = drawn;
    graph.draw(shape);
  }
  const now = performance.now();
  graph.show(statistics, rates, now);
  showFacts(element('facts'), factsOf(statistics, rates, now));
  element('source-text').textContent = JSON.stringify(declared, null, 2);
}

async function turn() {
  if (view.busy || !view.statistics) return;
  const { name, statistics } = view;
  view.busy = true;
  element('turn').disabled = true;
  try {
    await api.call('POST', `/api/pipelines/${encodeURIComponent(name)}/${statistics.state === 'running' ? 'pause' : 'resume'}`);
    rates.clear();
    say('');
  } catch (error) {
    say(error.message);
  } finally {
    view.busy = false;
    poll.now();
  }
}

/** One frame from the server. */
function take(frame) {
  if (frame.offset !== undefined && frame.type !== 'subscribed') channels.heard(frame.channel, frame.offset);
  switch (frame.type) {
    case 'pipeline_result':
      return frame.channel === `pipeline:${view.name}` ? results.add(frame) : undefined;
    case 'subscribed':
      return channels.subscribed(frame);
    case 'gap':
      return channels.gap(frame);
    case 'pong':
      return connection.pong(frame.id);
    case 'error':
      return say(`${frame.message} (${frame.code})`);
    default:
      return undefined; // Frames of later versions are not for this page.
  }
}

function start(token) {
  api.token = token;
  connection.open(token);
  if (token) poll.start();
}

setInterval(() => {
  inbox.drain(take, RESULTS_MS);
  if (document.hidden) return;
  results.render();
  showState(pill, connection.state); // Counts down to the next attempt.
}, RESULTS_MS);
addEventListener('hashchange', () => poll.now());
element('turn').addEventListener('click', turn);
element('retry').addEventListener('click', () => connection.retry());
element('theme').addEventListener('click', () => window.toggleTheme());
listenToKeys({ t: () => window.toggleTheme() });
element('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = element('token').value.trim();
  rememberToken(token);
  start(token);
});

/** A read-only look at what the page shows, for tests and for the browser's console. */
window.slipstream = Object.freeze({
  connection: () => ({ ...connection.state }),
  chosen: () => view.name,
  statistics: () => structuredClone(view.statistics),
  polls: () => poll.rounds,
  results: () => results.rows().map(({ key, kind, start, data }) => ({ key, kind, start, data: { ...data } })),
});
start(takeToken());
