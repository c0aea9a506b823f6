// The agents' page, wired: socket -> episode, training -> stage, curve; and what a viewer may do over REST.

import { Api } from '../api.js';
import { Channels } from '../channels.js';
import { Connection } from '../connection.js';
import { number } from '../format.js';
import { Inbox } from '../inbox.js';
import { listenToKeys } from '../keys.js';
import { showState } from '../status.js';
import { claims, rememberToken, takeToken } from '../token.js';
import { agentPath } from './paths.js';
import { ComparisonPanel, contestants } from './comparison.js';
import { Episode } from './episode.js';
import { Stage } from './stage.js';
import { TrainingPanel } from './training.js';

const LIST_MS = 3_000;
const NOTICE_MS = 12_000;
const CONTEST_MS = 600_000; // Many episodes are played meanwhile.
const element = (id) => document.getElementById(id);

const api = new Api();
const inbox = new Inbox();
const episode = new Episode();
const view = { agent: null, agents: [], files: [], comparisons: [], mayDrive: false, dirty: true, noticeAt: 0 };
const stage = new Stage({
  stage: element('stage'), picture: element('picture'), hud: element('hud'), empty: element('stage-empty'), episode: element('episode'), total: element('return'), best: element('best-return'),
  numbers: element('numbers'), deed: element('deed'), reward: element('reward'), chosenBy: element('chosen-by'), scores: element('scores'), returns: element('returns'),
});
const training = new TrainingPanel({
  curve: element('curve'), empty: element('curve-empty'), state: element('training-state'), of: element('training-of'), meter: element('meter'), numbers: element('training-numbers'),
  message: element('training-message'), learn: element('learn'), resume: element('resume'), stop: element('stop'),
});
const comparison = new ComparisonPanel({ contestants: element('contestants'), results: element('results'), empty: element('results-empty'), of: element('comparison-of'), scale: element('scale') });

const pill = { pill: element('connection'), text: element('connection-text'), why: element('connection-why'), retry: element('retry') };
const connection = new Connection({
  onState: (state) => {
    showState(pill, state);
    const needed = state.phase === 'idle' || state.phase === 'refused';
    element('token-form').hidden = !needed;
    element('token-why').textContent = state.why;
    if (needed) element('token').focus();
  },
  onOpen: () => {
    channels.reopen();
    refresh().then(() => view.agent && choose(view.agent.id, true));
  },
  onText: (text) => inbox.put(text),
});
const channels = new Channels((frame) => connection.send(frame));

/** One frame from the server. */
function take(frame) {
  if (frame.type === 'subscribed') return channels.subscribed(frame);
  if (frame.type === 'gap') return channels.gap(frame);
  if (frame.type === 'pong') return connection.pong(frame.id);
  if (frame.type === 'error') return notice(frame.message);
  if (frame.type !== 'rl_update') return undefined;
  channels.heard(frame.channel, frame.offset);
  if (frame.agentId !== view.agent?.id) return undefined;
  const { update } = frame;
  // What the channel remembers from before the page asked is already in what it asked for.
  if (episode.take(update)) view.dirty = true;
  if (update.kind === 'policy_swapped') showPolicy(update.policy);
  if (training.take(update) === 'ask') askTraining();
  if (update.kind === 'training_ended') refresh();
  return undefined;
}

function notice(text) {
  const place = element('notice');
  place.textContent = text;
  place.hidden = !text;
  view.noticeAt = performance.now();
}

/** Does something over REST and says what the server refused. */
async function attempt(work) {
  try {
    notice('');
    return await work();
  } catch (error) {
    notice(error.message);
    return undefined;
  }
}

/** Reads which agents and models there are. */
async function refresh() {
  if (!api.token) return;
  try {
    const [agents, models, newest] = await Promise.all([api.get('/api/rl/agents'), api.get('/api/models'), api.get('/api/rl/evaluations')]);
    view.agents = agents;
    view.files = models.files.map((file) => file.file);
    listAgents();
    view.comparisons = newest;
  } catch {
    return; // The socket tells why the server is away.
  }
  const wanted = view.agent?.id ?? decodeURIComponent(location.hash.slice(1));
  const there = view.agents.find(({ id }) => id === wanted) ?? view.agents[0];
  if (there?.id !== view.agent?.id) await choose(there?.id ?? '');
  else if (there) showControls(there);
}

function listAgents() {
  const select = element('agent');
  const ids = view.agents.map(({ id }) => id);
  if (JSON.stringify(ids) !== JSON.stringify([...select.options].map(({ value }) => value))) {
    select.replaceChildren(...(ids.length ? ids.map((id) => new Option(id, id)) : [new Option('No agent', '')]));
  }
  select.disabled = !ids.length;
  if (view.agent) select.value = view.agent.id;
}

/** Looks at an agent: '' is none. */
async function choose(id, again = false) {
  const same = view.agent?.id === id;
  if (!id) {
    view.agent = null;
    channels.want(new Map());
    stage.open(null);
    training.show(null);
    showControls(null);
    return;
  }
  const { heard } = episode;
  const agent = await attempt(() => api.get(agentPath(id)));
  if (!agent) return;
  view.agent = agent;
  if (!same) episode.clear();
  episode.look(agent, same ? heard : 0);
  if (!same || !again) stage.open(agent.environment);
  element('agent').value = id;
  history.replaceState(null, '', `#${encodeURIComponent(id)}`);
  showControls(agent);
  view.dirty = true;
  channels.want(new Map([[`rl:${id}`, 'all']]));
  await askTraining();
}

let asking = false;
async function askTraining() {
  if (asking || !view.agent) return;
  asking = true;
  const { id } = view.agent;
  try {
    const { trainings } = await api.get(`/api/rl/trainings?agent=${encodeURIComponent(id)}`);
    if (view.agent?.id === id) training.show(trainings[0] ?? null);
  } catch {
    // Asked again with the next publication or connection.
  } finally {
    asking = false;
  }
}

function showPolicy(policy) {
  if (view.agent) view.agent.policy = policy;
  element('policy').textContent = policy ? `${policy.algorithm} · ${policy.architecture} · ${policy.version.slice(0, 8)}` : view.agent ? 'no policy' : '';
}

/** What may be pressed now. */
function showControls(agent) {
  const drives = view.mayDrive && Boolean(agent);
  document.querySelectorAll('[data-drives]').forEach((control) => (control.disabled = !drives));
  for (const id of ['open-make', 'first-agent']) element(id).disabled = !view.mayDrive;
  if (agent) {
    view.agent = { ...view.agent, ...agent };
    const playing = agent.playing_every_ms !== null;
    element('play').setAttribute('aria-pressed', playing);
    element('play-text').textContent = playing ? 'Pause' : 'Play';
  }
  showPolicy(agent?.policy ?? null);
  const files = agent ? [agent.environment === 'daladala' ? 'built-in' : 'rules', ...view.files] : [];
  const swap = element('swap');
  if (JSON.stringify(files) !== JSON.stringify([...swap.options].slice(1).map(({ value }) => value))) swap.replaceChildren(swap.options[0], ...files.map((file) => new Option(file, file)));
  if (!agent) return;
  comparison.offer(agent.environment, contestants(agent.environment, view.files, agent), view.mayDrive);
  const newest = view.comparisons.find(({ environment }) => environment === agent.environment) ?? null;
  if (comparison.now?.timestamp !== newest?.timestamp) comparison.show(newest);
}

/** Tells the agent in view what to do. */
async function command(method, part, body) {
  if (!view.agent || !view.mayDrive) return;
  const told = await attempt(() => api.call(method, agentPath(view.agent.id, part), body));
  if (told) showControls(told);
}

const isPlaying = () => element('play').getAttribute('aria-pressed') === 'true';

async function play() {
  if (!view.agent) return;
  await command('PUT', 'play', isPlaying() ? {} : { every_ms: Number(element('pace').value) });
}

async function step() {
  await command('POST', episode.over ? 'episodes' : 'steps', {});
}

async function make(id, environment, policy) {
  const made = await attempt(() => api.call('POST', '/api/rl/agents', { id, environment }));
  if (!made) return;
  if (policy) await attempt(() => api.call('PUT', agentPath(id, 'policy'), { model: policy }));
  await choose(id);
  await refresh();
}

async function learn(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const plan = { algorithm: form.get('algorithm'), steps: Number(form.get('steps')), seed: Number(form.get('seed')), deploy: form.get('deploy') === 'on' };
  await attempt(async () => training.show(await api.call('POST', agentPath(view.agent.id, 'training'), plan)));
}

async function compare(event) {
  event.preventDefault();
  const policies = comparison.chosen();
  if (!policies.length) return notice('Choose at least one policy to compare.');
  const button = element('start-compare');
  button.disabled = true;
  button.textContent = 'Playing…';
  const contest = { environment: view.agent.environment, policies, episodes: Number(new FormData(event.target).get('episodes')) };
  await attempt(async () => {
    const compared = await api.call('POST', '/api/rl/evaluations', contest, CONTEST_MS);
    view.comparisons.unshift(compared);
    comparison.show(compared);
  });
  button.disabled = !view.mayDrive;
  button.textContent = 'Compare';
}

function neighbour(by) {
  const at = view.agents.findIndex(({ id }) => id === view.agent?.id);
  const next = view.agents[Math.min(view.agents.length - 1, Math.max(0, at + by))];
  if (next && next.id !== view.agent?.id) choose(next.id);
}

function start(token) {
  api.token = token;
  view.mayDrive = ['admin', 'engineer'].includes(claims(token).role);
  element('rights').textContent = token ? (view.mayDrive ? 'This token may drive and train agents' : 'This token may watch; role engineer may drive and train') : '';
  connection.open(token);
}

let workedAt = 0;
let ratedAt = 0;
let received = 0;

/** What every animation frame does, and a slow timer while the page is hidden. */
function work(now) {
  inbox.drain(take, now - workedAt);
  workedAt = now;
  if (view.dirty && view.agent) {
    view.dirty = false;
    stage.draw(episode, view.agent.actions);
  }
  if (now - ratedAt > 1_000) {
    element('rate').textContent = number(((inbox.received - received) * 1_000) / (now - ratedAt));
    element('trip').textContent = number(connection.roundTrip, 1);
    [ratedAt, received] = [now, inbox.received];
    showState(pill, connection.state);
    if (now - view.noticeAt > NOTICE_MS) element('notice').hidden = true;
  }
}

function everyFrame() {
  work(performance.now());
  requestAnimationFrame(everyFrame);
}

const to = (id) => () => element(id).focus();
listenToKeys({
  ' ': play, '.': step, n: () => command('POST', 'episodes', {}), j: () => neighbour(1), k: () => neighbour(-1), l: to('training-title'), c: to('comparison-title'),
  a: () => view.mayDrive && element('make').showModal(), t: () => window.toggleTheme(), '?': () => element('help').showModal(),
});
element('play').addEventListener('click', play);
element('step').addEventListener('click', step);
element('restart').addEventListener('click', () => command('POST', 'episodes', {}));
element('pace').addEventListener('change', () => isPlaying() && command('PUT', 'play', { every_ms: Number(element('pace').value) }));
element('swap').addEventListener('change', async ({ target }) => {
  if (target.value) await command('PUT', 'policy', { model: target.value });
  target.value = '';
});
element('agent').addEventListener('change', ({ target }) => choose(target.value));
element('train').addEventListener('submit', learn);
element('stop').addEventListener('click', () => attempt(async () => training.show(await api.call('DELETE', agentPath(view.agent.id, 'training')))));
element('resume').addEventListener('click', () => attempt(async () => training.show(await api.call('POST', agentPath(view.agent.id, 'training'), { resume: true }))));
element('compare').addEventListener('submit', compare);
element('first-agent').addEventListener('click', () => make('bus-1', 'daladala', 'built-in'));
element('open-make').addEventListener('click', () => element('make').showModal());
element('close-make').addEventListener('click', () => element('make').close());
element('make-form').addEventListener('submit', ({ target }) => {
  const form = new FormData(target);
  make(form.get('id'), form.get('environment'), form.get('environment') === 'daladala' ? 'built-in' : 'rules');
});
element('open-help').addEventListener('click', () => element('help').showModal());
element('theme').addEventListener('click', () => window.toggleTheme());
element('retry').addEventListener('click', () => connection.retry());
element('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = element('token').value.trim();
  rememberToken(token);
  start(token);
});
setInterval(() => document.hidden && work(performance.now()), 500);
setInterval(() => document.hidden || refresh(), LIST_MS);

/** A look at what the page shows, for tests and for the browser's console; copies. */
window.slipstream = Object.freeze({
  connection: () => ({ ...connection.state }),
  agent: () => structuredClone(view.agent),
  episode: () => structuredClone({ ...episode }),
  training: () => structuredClone(training.now),
  comparison: () => structuredClone(comparison.now),
  channels: () => channels.list(),
});
start(takeToken());
requestAnimationFrame(everyFrame);
