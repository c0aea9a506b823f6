// The live page, wired: socket -> inbox -> store -> map, table and plots.

import { Channels } from './channels.js';
import { Connection } from './connection.js';
import { wantedChannels } from './feed.js';
import { Freshness } from './freshness.js';
import { exposeHandle } from './handle.js';
import { Inbox } from './inbox.js';
import { listenToKeys } from './keys.js';
import { Latency } from './latency.js';
import { TrackMap } from './map.js';
import { Notices } from './notices.js';
import { SignalPicker } from './picker.js';
import { Plots } from './plots.js';
import { Results } from './results.js';
import { SessionRoom } from './session.js';
import { StatusBar } from './status.js';
import { Store } from './store.js';
import { TimingTable, standings } from './timing.js';
import { claims, rememberToken, takeToken } from './token.js';

const TABLE_MS = 220;
const FEED_MS = 500;
const OVERLOAD_RATE = 4_000;
const MOST_PLOTTED = 6;
const element = (id) => document.getElementById(id);

const store = new Store();
const inbox = new Inbox();
const serverLatency = new Latency();
const sourceLatency = new Latency();
const freshness = new Freshness();
const chosen = new Set();
const view = { session: '', current: '', paused: false, patterns: null, overloaded: false, dropped: 0, choiceMade: false };

const notices = new Notices(element('notices'), element('notices-empty'));
const status = new StatusBar(
  { pill: element('connection'), text: element('connection-text'), why: element('connection-why'), retry: element('retry'), rates: element('rates') },
  { onRetry: () => connection.retry() },
);
const connection = new Connection({
  onState: (state) => {
    status.state(state);
    showTokenForm(state);
  },
  onOpen: () => {
    freshness.reopened(Date.now());
    channels.reopen();
  },
  onText: (text) => inbox.put(text),
});
const channels = new Channels((frame) => connection.send(frame));
const map = new TrackMap({ canvas: element('map'), edge: element('map-edge'), surface: element('map-surface') }, { onPick: (id) => toggle(id) });
const plots = new Plots(element('plots'));
const table = new TimingTable(element('timing'), { onToggle: toggle, onCurrent: (id) => (view.current = id) });
const room = new SessionRoom({ select: element('session'), strip: element('kpis') }, { onChoose: chooseSession });
const picker = new SignalPicker({ dialog: element('signals'), list: element('signal-list'), summary: element('signal-summary') }, { onChange: () => plot(true) });

const results = new Results((sessionId, metrics) => store.metrics({ sessionId, metrics }));

store.onMoved = (vehicle, _before, position, time) => {
  if (!view.session || vehicle.session === view.session) map.extend(vehicle.id, vehicle.frame, position, time);
};

/** One frame from the server. */
function take(frame, now) {
  if (frame.offset !== undefined && frame.type !== 'subscribed') channels.heard(frame.channel, frame.offset);
  switch (frame.type) {
    case 'telemetry': {
      const received = Date.parse(frame.serverTimestamp);
      const local = Date.now();
      if (freshness.isNews(received, local)) {
        serverLatency.add(local - received, now);
        // Others than those looked at may be live while these are played again.
        if (!view.session || frame.sessionId === view.session) sourceLatency.add(local - Date.parse(frame.timestamp), now);
      }
      return store.telemetry(frame, now);
    }
    case 'metrics_update':
      return store.metrics(frame);
    case 'alert':
      return notices.alert(frame);
    case 'ai_feedback':
      return notices.feedback(frame);
    case 'subscribed':
      return channels.subscribed(frame);
    case 'gap':
      view.dropped += frame.dropped;
      return channels.gap(frame);
    case 'pong':
      return connection.pong(frame.id);
    case 'error':
      return notices.add('Server', `${frame.message} (${frame.code})`, 'medium');
    default:
      return undefined; // Frames of later versions are not for this page.
  }
}

function chooseSession(id) {
  view.session = id;
  chosen.clear();
  view.current = '';
  view.choiceMade = false;
  map.clear();
  subscribe();
}

function subscribe() {
  const vehicles = store.inView(view.session).map((vehicle) => vehicle.id);
  channels.want(wantedChannels({ ...view, vehicles, chosen: [...chosen] }));
}

function toggle(id) {
  view.choiceMade = true;
  if (chosen.has(id)) chosen.delete(id);
  else if (chosen.size < MOST_PLOTTED) chosen.add(id);
  else notices.add(id, `At most ${MOST_PLOTTED} vehicles are plotted at a time`, 'low');
  view.current = id;
  plot(true);
  showTable();
}

function step(by) {
  if (!table.ids.length) return;
  const at = table.ids.indexOf(view.current);
  const next = at < 0 ? 0 : Math.min(table.ids.length - 1, Math.max(0, at + by));
  view.current = table.ids[next];
  table.focus(view.current);
  showTable();
}

function pause() {
  view.paused = !view.paused;
  element('pause').setAttribute('aria-pressed', view.paused);
  element('pause-text').textContent = view.paused ? 'Resume' : 'Pause';
  document.body.classList.toggle('paused', view.paused);
}

function fit() {
  map.fit(store.inView(view.session));
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function plot(force = false) {
  const vehicles = [...chosen].map((id) => store.vehicles.get(id)).filter(Boolean);
  const own = [...new Set(vehicles.flatMap((vehicle) => [...vehicle.history.names()]))];
  plots.update(vehicles, picker.chosen(store.signalNames(), own), performance.now(), force);
}

function showTable() {
  const now = performance.now();
  const metrics = store.sessions.get(view.session) ?? null;
  const rows = standings(store.inView(view.session), metrics, store.sessions);
  // A chosen session's channel brings its numbers; those of the others are asked for.
  results.ask(view.session ? (view.overloaded || view.patterns ? [view.session] : []) : [...store.sessions.keys()], now);
  if (!view.choiceMade && !chosen.size && rows.length) chosen.add(rows[0].id);
  view.current ||= rows[0]?.id ?? '';
  table.update(rows, { chosen, current: view.current, now });
  room.show(metrics);
  room.list([...store.sessions.keys()].sort(), view.session);
  if (!room.chosenByHand && !view.session && store.sessions.size === 1) chooseSession([...store.sessions.keys()][0]);
  picker.offer(store.signalNames());
  const places = map.frames.length;
  element('map-place').hidden = places < 2;
  if (places > 1) write(element('map-place'), `Place ${map.frames.indexOf(map.frame) + 1} of ${places}`);
  element('map-empty').hidden = rows.some((row) => row.vehicle.position);
  element('map').setAttribute('aria-label', `Track map, ${rows.length} vehicles`);
  element('timing-empty').hidden = rows.length > 0;
  element('count').textContent = rows.length ? String(rows.length) : '';
}

function showTokenForm({ phase, why }) {
  const needed = phase === 'idle' || phase === 'refused';
  element('token-form').hidden = !needed;
  element('token-why').textContent = why;
  if (needed) element('token').focus();
}

let tableAt = 0;
let feedAt = 0;
let workedAt = 0;

/** What every animation frame does, and a slow timer while the page is hidden. */
function work(now) {
  const elapsed = now - workedAt;
  workedAt = now;
  inbox.drain((frame) => take(frame, now), elapsed);
  plots.frame(elapsed);
  if (now - feedAt > FEED_MS) {
    feedAt = now;
    if (!view.overloaded && (status.rate > OVERLOAD_RATE || inbox.overrun > 0)) {
      view.overloaded = true;
      notices.add('Page', 'More samples than can be shown: vehicles come at a lower rate', 'low');
    }
    subscribe();
    status.tick();
  }
  status.numbers({ now, inbox, store, serverLatency, sourceLatency, roundTrip: connection.roundTrip, dropped: view.dropped + inbox.overrun, paused: view.paused });
  if (view.paused) return;
  map.draw(store.inView(view.session), { now, chosen, current: view.current });
  if (now - tableAt > TABLE_MS) {
    tableAt = now;
    showTable();
  }
  plot();
}

function everyFrame() {
  work(performance.now());
  requestAnimationFrame(everyFrame);
}

function start(token) {
  results.use(token);
  view.patterns = Array.isArray(claims(token).channels) ? claims(token).channels : null;
  connection.open(token);
}

listenToKeys({
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  ' ': () => view.current && toggle(view.current),
  p: pause,
  s: () => picker.toggle(),
  f: fit,
  m: () => map.next(),
  t: () => window.toggleTheme(),
  '?': () => element('help').showModal(),
});
element('pause').addEventListener('click', pause);
element('map-fit').addEventListener('click', fit);
element('map-place').addEventListener('click', () => map.next());
element('open-signals').addEventListener('click', () => picker.toggle());
element('open-help').addEventListener('click', () => element('help').showModal());
element('theme').addEventListener('click', () => window.toggleTheme());
element('window').addEventListener('change', (event) => {
  plots.windowSeconds = Number(event.target.value);
  plot(true);
});
element('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = element('token').value.trim();
  rememberToken(token);
  start(token);
});
setInterval(() => document.hidden && work(performance.now()), 500);

exposeHandle({
  store, map, plots, connection, channels, status, inbox,
  chosen: () => chosen,
  latency: () => ({ server: serverLatency.percentiles(performance.now()), source: sourceLatency.percentiles(performance.now()) }),
});
start(takeToken());
requestAnimationFrame(everyFrame);
