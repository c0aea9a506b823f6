// The page's modules that need no browser.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { align, values } from '../../gateway/console/js/align.js';
import { backoff } from '../../gateway/console/js/backoff.js';
import { Channels } from '../../gateway/console/js/channels.js';
import { closing } from '../../gateway/console/js/closing.js';
import { wantedChannels } from '../../gateway/console/js/feed.js';
import { gap, lapTime, number, ticks } from '../../gateway/console/js/format.js';
import { Freshness } from '../../gateway/console/js/freshness.js';
import { History } from '../../gateway/console/js/history.js';
import { chooseFrame } from '../../gateway/console/js/frames.js';
import { Latency } from '../../gateway/console/js/latency.js';
import { vehicleColor } from '../../gateway/console/js/colors.js';
import { Projection } from '../../gateway/console/js/position.js';
import { cellOf } from '../../gateway/console/js/rl/bus.js';
import { contestants, nameOf } from '../../gateway/console/js/rl/comparison.js';
import { Episode } from '../../gateway/console/js/rl/episode.js';
import { words } from '../../gateway/console/js/rl/stage.js';
import { describe, flatten, isFavourite, meaning, plotted, read } from '../../gateway/console/js/signals.js';
import { Store } from '../../gateway/console/js/store.js';
import { standings } from '../../gateway/console/js/timing.js';
import { Track } from '../../gateway/console/js/track.js';

const kept = (history, name) => [...history.column(name).subarray(history.start, history.end)];
const times = (history) => [...history.time.subarray(history.start, history.end)];

test('a history keeps order, ignores what it has, and forgets what is old', () => {
  const history = new History();
  for (const time of [10, 30, 20, 30, 40]) history.add(time, { v: time, ...(time === 20 ? { late: 1 } : {}) });
  assert.deepEqual(times(history), [10, 20, 30, 40]);
  assert.deepEqual(kept(history, 'v'), [10, 20, 30, 40]);
  assert.deepEqual(kept(history, 'late'), [NaN, 1, NaN, NaN]);
  history.add(70_000, { v: 1 });
  assert.deepEqual(times(history), [70_000]);
  assert.equal(history.add(100, { v: 1 }), false, 'older than all that is kept');
});

test('a history grows and wraps without losing or inventing values', () => {
  const history = new History();
  for (let i = 0; i < 100_000; i += 1) history.add(i * 8, { v: i, ...(i % 2 ? { odd: i } : {}) });
  const [at, v, odd] = [times(history), kept(history, 'v'), kept(history, 'odd')];
  assert.ok(at.length > 8_000);
  at.forEach((time, i) => {
    assert.equal(v[i] * 8, time);
    assert.equal(odd[i], v[i] % 2 ? v[i] : NaN);
  });
});

test('vehicles with different clocks share one axis, and silence breaks the line', () => {
  const [a, b] = [new History(), new History()];
  for (const time of [0, 1_000, 5_000]) a.add(time, { v: time });
  for (const time of [500, 1_000]) b.add(time, { v: -time });
  const { x, rows } = align([a, b], 0);
  assert.deepEqual(x, [0, 0.5, 1, 1.001, 5]);
  assert.deepEqual(values(a, rows[0], 'v'), [0, undefined, 1_000, null, 5_000]);
  assert.deepEqual(values(b, rows[1], 'v'), [undefined, -500, -1_000, undefined, undefined]);
  assert.deepEqual(values(b, rows[1], 'none'), [null, null, null, null, null]);
});

test('the wait before a reconnect doubles, has jitter and an end', () => {
  assert.deepEqual([0, 1, 2].map((n) => backoff(n, () => 1)), [300, 600, 1_200]);
  assert.equal(backoff(0, () => 0), 150);
  assert.equal(backoff(1_000, () => 1), 10_000);
});

test('subscriptions follow what is wanted, and a reconnect asks from where it was left', () => {
  const sent = [];
  let up = true;
  const channels = new Channels((frame) => up && sent.push(frame));
  channels.want(new Map([['telemetry:*', { max_rate: 1 }], ['telemetry:7', 'all']]));
  assert.deepEqual(sent.splice(0).map(({ channel, since }) => [channel, since]), [['telemetry:*', undefined], ['telemetry:7', { epoch: 0, offset: 0 }]]);
  channels.subscribed({ channel: 'telemetry:7', epoch: 9, offset: 4, recovered: false });
  channels.heard('telemetry:7', 5);
  channels.gap({ channel: 'telemetry:7', from: 6, to: 8 });
  up = false;
  channels.want(new Map([['telemetry:7', 'all'], ['session:s', 'all']]));
  assert.deepEqual(sent, []);
  up = true;
  channels.reopen();
  assert.deepEqual(sent.splice(0).map(({ channel, since }) => [channel, since]), [['telemetry:7', { epoch: 9, offset: 8 }], ['session:s', { epoch: 0, offset: 0 }]]);
  channels.subscribed({ channel: 'telemetry:7', epoch: 10, offset: 2, recovered: false });
  assert.equal(channels.lostHistory, 1);
  channels.want(new Map([['telemetry:7', { max_rate: 5 }]]));
  assert.deepEqual(sent.map(({ type, channel, since }) => [type, channel, since]), [['unsubscribe', 'session:s', undefined], ['subscribe', 'telemetry:7', { epoch: 10, offset: 2 }]]);
});

test('what is subscribed to fits what is looked at', () => {
  const view = { session: '', vehicles: ['a', 'b'], chosen: ['a'], overloaded: false, patterns: null };
  const channels = (more) => [...wantedChannels({ ...view, ...more }).keys()];
  assert.deepEqual(channels({}), ['telemetry:*', 'alerts:*', 'ai:*', 'telemetry:a', 'telemetry:b']);
  assert.deepEqual(channels({ session: 's' }), ['telemetry:*', 'session:s', 'telemetry:a']);
  assert.deepEqual(channels({ patterns: ['telemetry:b'] }), ['telemetry:b']);
  const many = Array.from({ length: 500 }, (_, i) => `v${i}`);
  assert.deepEqual(channels({ vehicles: many, chosen: ['v3'] }), ['telemetry:*', 'alerts:*', 'ai:*', 'telemetry:v3']);
  assert.deepEqual(wantedChannels({ ...view, overloaded: true }).get('telemetry:a'), { max_rate: 750 });
});

test('close codes say whether to come back', () => {
  assert.deepEqual([1001, 1006, 1011, 4001, 4003].map((code) => closing(code).retry), [true, true, true, true, true]);
  assert.deepEqual([1000, 1002, 1009, 4000].map((code) => closing(code).retry), [false, false, false, false]);
  assert.equal(closing(4002).token, true);
  assert.match(closing(4999).why, /4999/);
});

test('laps and their times are the server\'s alone', () => {
  const store = new Store();
  for (let second = 0; second < 200; second += 1) {
    const data = { lap: 1 + Math.floor(second / 60), lap_time_s: second % 60, x_m: second, y_m: 0 };
    store.telemetry({ driverId: 'a', sessionId: 's', data, timestamp: new Date(1_780_000_000_000 + second * 1_000).toISOString() }, second);
  }
  const [guess] = standings(store.inView(''), null, store.sessions);
  assert.deepEqual([guess.lap, guess.last, guess.best], [4, null, null], 'the counter is the source\'s, times are not guessed');
  store.metrics({ sessionId: 's', metrics: { leaderboard: [{ vehicleId: 'a', position: 1, lap: 4, lastLapS: 60.1, bestLapS: 59.9, gapS: 0 }] } });
  const [told] = standings(store.inView(''), null, store.sessions);
  assert.deepEqual([told.lap, told.last, told.best, told.gap], [4, 60.1, 59.9, 0]);
});

test('names mean here what they mean to the engine', () => {
  assert.deepEqual(meaning('speedKmh'), meaning('SPEED_KPH'));
  assert.ok(Math.abs(read({ speed_kph: 36 }).speed_mps - 10) < 1e-9);
  const iracing = read({ Speed: 50, Lat: 47.2, Lon: 14.7, Lap: 3, LapDistPct: 0.25, SteeringWheelAngle: Math.PI, Gear: 4 });
  assert.deepEqual({ ...iracing, steer_deg: Math.round(iracing.steer_deg) }, { speed_mps: 50, lat_deg: 47.2, lon_deg: 14.7, lap: 3, lap_share: 0.25, steer_deg: 180, gear: 4 });
  for (const none of ['constructor', '__proto__', 'tires.frontLeft.temp', '']) assert.equal(meaning(none), null, none);
  assert.ok(isFavourite('Speed') && isFavourite('nmot') && !isFavourite('Lat'));
  const store = new Store();
  store.telemetry({ driverId: 'a', data: { speed_kph: 72, Lat: 47, Lon: 14, LapDistPct: 0.5 }, timestamp: '2026-01-01T00:00:00Z' }, 1);
  const vehicle = store.vehicles.get('a');
  assert.ok(Math.abs(vehicle.speed - 20) < 1e-9 && vehicle.position && vehicle.along === 0.5);
});

test('positions are metres as sent or degrees projected, and no fix is no position', () => {
  const projection = new Projection();
  assert.deepEqual(projection.locate({ x_m: 1, y_m: 2 }, 's'), { frame: 'plane s', at: [1, 2] });
  const home = projection.locate({ lat_deg: 60, lon_deg: 25 });
  assert.deepEqual(home.at, [0, 0]);
  const { frame, at: [x, y] } = projection.locate({ lat_deg: 60.001, lon_deg: 25.002 });
  assert.ok(Math.abs(x - 111.32) < 0.01 && Math.abs(y - 111.32) < 0.01, `${x} ${y}`);
  assert.equal(frame, home.frame);
  assert.notEqual(projection.locate({ lat_deg: 48, lon_deg: 11 }).frame, home.frame, 'another country is another map');
  assert.equal(projection.locate({ lat_deg: 60.01, lon_deg: 25.01 }).frame, home.frame);
  for (const none of [{ lat_deg: 0, lon_deg: 0 }, { lat_deg: 0.0001, lon_deg: 0.0002 }, { lat_deg: 91, lon_deg: 1 }, { x_m: NaN, y_m: 2 }, {}]) assert.equal(projection.locate(none), null);
});

test('frames of reference are not drawn over one another', () => {
  const vehicle = (id, frame) => ({ id, frame, position: [0, 0] });
  const vehicles = [vehicle('a', 'plane s'), vehicle('b', 'earth 60 25'), vehicle('c', 'earth 60 25'), { id: 'd', frame: '', position: null }];
  const view = { picked: '', current: '', shown: '' };
  assert.deepEqual(chooseFrame(vehicles, view), { frames: ['earth 60 25', 'plane s'], frame: 'earth 60 25', count: 2 });
  assert.equal(chooseFrame(vehicles, { ...view, current: 'a' }).frame, 'plane s', 'the one of the vehicle that is looked at');
  assert.equal(chooseFrame(vehicles, { ...view, current: 'a', picked: 'earth 60 25' }).frame, 'earth 60 25');
  assert.equal(chooseFrame([], { ...view, shown: 'plane s' }).frame, 'plane s');
});

test('a stray position does not change what the map is fitted to', () => {
  const track = new Track();
  const drive = (from, to, offset = 0) => {
    for (let t = from; t < to; t += 1) track.extend('a', [10 * t + offset, 0], t * 1_000);
  };
  drive(0, 20);
  track.extend('a', [5e6, 5e6], 20_000);
  drive(21, 30);
  assert.deepEqual([track.bounds.right, track.bounds.top], [290, 0], 'one stray position');
  drive(30, 40, 50_000);
  assert.equal(track.bounds.right, 50_390, 'what goes on elsewhere is followed');
  const first = new Track();
  first.extend('b', [9e6, 0], 0);
  for (let t = 1; t < 10; t += 1) first.extend('b', [10 * t, 0], t * 1_000);
  assert.deepEqual([first.bounds.left, first.bounds.right], [20, 90], 'the first position may be the stray one');
});

test('a colour follows from the id alone, and ids that differ little differ in colour', () => {
  assert.equal(vehicleColor('car-7', true), vehicleColor('car-7', true));
  const hues = new Set(Array.from({ length: 40 }, (_, i) => vehicleColor(`car-${i}`, true)));
  assert.ok(hues.size >= 38, `${hues.size} of 40`);
  assert.notEqual(vehicleColor('a', true), vehicleColor('a', false));
});

test('fonts on canvases have a whole number of pixels, which is what the plotting library scales', () => {
  const root = new URL('../../gateway/console/js/', import.meta.url);
  for (const name of readdirSync(root, { recursive: true }).filter((file) => file.endsWith('.js'))) {
    assert.doesNotMatch(readFileSync(new URL(name, root), 'utf8'), /\d\.\d+px/, name);
  }
});

test('what is played again has no latency', () => {
  const latency = new Latency();
  latency.add(86_230_366, 1_000);
  assert.ok(latency.replayed(2_000));
  assert.ok(Number.isNaN(latency.percentiles(2_000).p50));
  latency.add(-5_933_562, 1_500);
  latency.add(12, 2_000);
  assert.ok(!latency.replayed(2_500), 'somebody is live');
  assert.equal(latency.percentiles(2_500).p50, 12);
  assert.ok(!latency.replayed(9_000));
});

test('late samples change no state of now', () => {
  const store = new Store();
  const frame = (second, x) => ({ driverId: 'a', sessionId: 's', data: { x_m: x, y_m: 0, speed_mps: x }, timestamp: `2026-01-01T00:00:0${second}.000Z` });
  store.telemetry(frame(5, 50), 1);
  store.telemetry(frame(2, 20), 2);
  const vehicle = store.vehicles.get('a');
  assert.deepEqual([vehicle.position, vehicle.speed], [[50, 0], 50]);
  assert.deepEqual(kept(vehicle.history, 'x_m'), [20, 50]);
  store.telemetry({ driverId: 'a', data: null, timestamp: 'yesterday' }, 3);
  assert.equal(store.samples, 2);
});

test('only news has an age: history after a reconnect does not', () => {
  const freshness = new Freshness();
  assert.ok(freshness.isNews(1_000, 5_000));
  assert.ok(!freshness.isNews(900, 5_010));
  freshness.reopened(9_000);
  assert.ok(!freshness.isNews(3_000, 9_010), 'sent while away');
  assert.ok(freshness.isNews(5_020, 9_020));
  assert.ok(freshness.isNews(10, 20_000), 'a clock that was set back is believed after a while');
});

test('names say units, nested data get dotted names', () => {
  assert.deepEqual(describe('speed_mps'), { label: 'speed', unit: 'm/s' });
  assert.deepEqual(describe('tyre_temp_fl_c'), { label: 'tyre temp fl', unit: '°C' });
  assert.deepEqual(describe('gear'), { label: 'gear', unit: '' });
  assert.deepEqual([describe('speed_kph'), describe('Speed')], [{ label: 'speed', unit: 'km/h' }, { label: 'speed', unit: 'm/s' }]);
  for (const [name, factor] of [['speed_mps', 3.6], ['speed_kph', 1], ['Speed', 3.6]]) {
    const { unit, factor: shown } = plotted(name);
    assert.ok(unit === 'km/h' && Math.abs(shown - factor) < 1e-9, `${name} is plotted as the table shows it`);
  }
  assert.deepEqual(plotted('rpm'), { label: 'rpm', unit: '1/min', factor: 1 });
  assert.deepEqual(flatten({ tires: { frontLeft: { temp: 80 } }, gForce: [1, 2] }), { 'tires.frontLeft.temp': 80, 'gForce.0': 1, 'gForce.1': 2 });
});

test('numbers are written for reading', () => {
  assert.deepEqual([lapTime(92.4151), lapTime(59.9999), lapTime(NaN)], ['1:32.415', '1:00.000', '–']);
  assert.deepEqual([gap(0.4), gap(NaN), number(1234567), number(-1.25, 1)], ['+0.400', '–', '1\u2009234\u2009567', '−1.3']);
});

test('an agent’s story is told by its publications', () => {
  const episode = new Episode();
  const state = { step_count: 0 };
  assert.equal(episode.take({ kind: 'episode_started', episode: 3, state: { environment: 'daladala', state } }), true);
  assert.deepEqual([episode.environment, episode.number, episode.over], ['daladala', 3, false]);
  episode.take({ kind: 'step', environment: 'daladala', state: { step_count: 1 }, episode: 3, total_reward: 4, action_name: 'SpeedUp', terminated: true, truncated: false });
  assert.deepEqual([episode.state.step_count, episode.totalReward, episode.over, episode.steps], [1, 4, true, 1]);
  for (let again = 0; again < 2; again += 1) episode.take({ kind: 'episode_ended', episode: 3, total_reward: 4, best_return: 9 });
  assert.deepEqual(episode.returns, [{ episode: 3, total: 4, best: 9 }], 'an end that is told twice is one end');
  assert.equal(episode.take({ kind: 'training_progress' }), false);
});

test('an answer that was overtaken by a step does not hide it', () => {
  const episode = new Episode();
  const view = { environment: 'daladala', state: { step_count: 0 }, episode: 1, total_reward: 0, best_return: 9, over: false, last: null, actions: ['Move'] };
  episode.look(view);
  const { heard } = episode;
  episode.take({ kind: 'step', environment: 'daladala', state: { step_count: 1 }, episode: 1, total_reward: 2, policy: { scores: [1] } });
  episode.look(view, heard);
  assert.deepEqual([episode.state.step_count, episode.last.policy.scores], [1, [1]]);
  episode.look({ ...view, state: { step_count: 1 }, last: { action: 0 } });
  assert.deepEqual(episode.last.policy.scores, [1], 'of the same step the telling is kept');
  episode.look({ ...view, state: { step_count: 2 }, last: { action: 0 } });
  assert.deepEqual([episode.state.step_count, episode.last.action_name, episode.last.policy], [2, 'Move', undefined]);
});

test('the route goes east along the bottom and then north', () => {
  assert.deepEqual([0, 14, 15, 28].map(cellOf), [[0, 14], [14, 14], [14, 13], [14, 0]]);
});

test('ticks are round numbers within the range', () => {
  assert.deepEqual(ticks(0, 60_000, 6), [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
  assert.deepEqual(ticks(-12, 430, 4), [0, 200, 400]);
  assert.deepEqual(ticks(5, 5, 4), [5]);
});

test('policies are offered and called by what they are', () => {
  const agent = { id: 'bus', policy: {} };
  assert.deepEqual(contestants('daladala', ['dqn.zip'], agent), ['agent:bus', 'built-in', 'random', 'dqn.zip']);
  assert.deepEqual(contestants('avoidance', [], { id: 'car', policy: null }), ['rules', 'random']);
  assert.deepEqual(['agent:bus', 'trained/bus.safetensors', 'best_dqn.zip', 'random'].map(nameOf), ['bus (as it plays)', 'bus, trained here', 'best_dqn .zip', 'random']);
  assert.deepEqual(['SpeedUp', 'hard_brake'].map(words), ['speed up', 'hard brake']);
});
