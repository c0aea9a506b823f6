// The live page against the real binary: what a viewer relies on.
import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { openBrowser } from './browser.js';
import { eventually, PatientPublisher, Proxy, Publisher, Server, token } from './server.js';

const RADIUS = 300;
let server;
let browser;
let publisher;
let page;
let sent; // id -> [{t, speed}]
let driving;
let cars; // Ids of their own for each test: what one test sent is history in the next.

/** One sample of a car on a circle, 20 a second; speeds are numbers that survive no rounding unnoticed. */
function sample(id, index, time, session) {
  const angle = time / 4_000 + index;
  const speed = 50 + 20 * Math.sin(time / 777 + index);
  const data = { x_m: RADIUS * Math.cos(angle), y_m: RADIUS * Math.sin(angle), speed_mps: speed, throttle_pct: 50, rpm: 8_000 + index, lap: 1, tyres: { fl: { temp: 90 } } };
  return { driverId: id, sessionId: session, timestamp: new Date(time).toISOString(), data };
}

function drive(session) {
  cars = ['a', 'b', 'c'].map((letter) => `${session}-${letter}`);
  driving = setInterval(() => {
    if (!publisher.ready) return;
    const time = Date.now();
    const samples = cars.map((id, index) => sample(id, index, time, session));
    for (const { driverId, data } of samples) (sent[driverId] ??= []).push({ t: time, speed: data.speed_mps });
    publisher.send(samples);
  }, 50);
}

const live = () => eventually('connection is live', () => page.evaluate(() => window.slipstream?.connection().phase === 'live'));
const open = async (address = server.address, role = 'viewer') => {
  await page.goto(`${address}/?token=${token(role)}`);
  await live();
};

before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

beforeEach(async () => {
  sent = {};
  publisher = await Publisher.connect(server);
  page = await browser.page();
});

afterEach(async () => {
  clearInterval(driving);
  publisher.close();
  await page.close();
});

test('cars move on the canvas where their positions say', async () => {
  drive('moving');
  await open();
  await eventually('all cars are drawn', () => page.evaluate((ids) => ids.every((id) => window.slipstream.positions()[id]), cars));
  const picture = () => page.evaluate(() => document.getElementById('map').toDataURL());
  const before = await page.evaluate(() => window.slipstream.positions());
  const painted = await picture();
  await eventually('every car has moved on the screen', async () => {
    const now = await page.evaluate(() => window.slipstream.positions());
    return cars.every((id) => Math.hypot(now[id].screen[0] - before[id].screen[0], now[id].screen[1] - before[id].screen[1]) > 8);
  });
  // Positions are known before they are painted.
  await eventually('the pixels changed too', async () => (await picture()) !== painted);
  const now = await page.evaluate(() => window.slipstream.positions());
  for (const id of cars) {
    assert.ok(Math.abs(Math.hypot(...now[id].metres) - RADIUS) < 1e-6, `${id} is on its circle`);
    assert.ok(Math.hypot(now[id].shown[0] - now[id].metres[0], now[id].shown[1] - now[id].metres[1]) < RADIUS, `${id} is drawn near where it is`);
  }
  assert.deepEqual(page.problems, []);
});

test('a plot shows exactly the values that were sent, at their source times', async () => {
  drive('plotted');
  await open();
  const plot = await eventually('40 points of the first car', async () => {
    const data = await page.evaluate(() => window.slipstream.plot('speed_mps'));
    return data && Object.values(data.series)[0].filter((value) => typeof value === 'number').length >= 40 && data;
  });
  const [[id, line]] = Object.entries(plot.series);
  const known = new Map(sent[id].map(({ t, speed }) => [t, speed]));
  let compared = 0;
  plot.x.forEach((seconds, index) => {
    if (typeof line[index] !== 'number') return;
    assert.equal(line[index], known.get(Math.round(seconds * 1000)), `at ${seconds}`);
    compared += 1;
  });
  assert.ok(compared >= 40);
  const nested = await page.evaluate(() => [...document.querySelectorAll('#signal-list input')].map((box) => box.value));
  assert.ok(nested.includes('tyres.fl.temp'), `nested signals are offered by their dotted name: ${nested}`);
  assert.deepEqual(page.problems, []);
});

test('a cut connection comes back by itself, goes on, and fetches what was missed', async () => {
  const proxy = await Proxy.start(server);
  try {
    drive('cut');
    await open(proxy.address);
    await eventually('a plot with data', () => page.evaluate(() => window.slipstream.plot('speed_mps')?.x.length > 20));
    proxy.cut();
    await eventually('the page says it is reconnecting', () => page.evaluate(() => window.slipstream.connection().phase === 'waiting'));
    assert.match(await page.textContent('#connection'), /Reconnecting/);
    const [id] = await page.evaluate(() => window.slipstream.chosen());
    const from = Date.now();
    await eventually('more was sent meanwhile', () => sent[id].filter(({ t }) => t > from).length > 30);
    const until = Date.now();
    proxy.mend();
    await live();
    await eventually('samples after the cut are plotted', () => page.evaluate((t) => window.slipstream.plot('speed_mps').x.at(-1) * 1000 > t, until + 500));
    const plot = await page.evaluate(() => window.slipstream.plot('speed_mps'));
    const shown = new Set(plot.x.filter((_, index) => typeof plot.series[id][index] === 'number').map((seconds) => Math.round(seconds * 1000)));
    const missed = sent[id].filter(({ t }) => t > from && t < until && !shown.has(t));
    assert.equal(missed.length, 0, `${missed.length} samples sent during the cut are not plotted`);
    const { recovered } = await page.evaluate(() => window.slipstream.channels());
    assert.ok(recovered > 0, 'the server was asked for what was missed');
  } finally {
    proxy.stop();
  }
});

test('a killed and restarted server is found again', async () => {
  drive('restart');
  await open();
  await eventually('data', () => page.evaluate(() => window.slipstream.counts().samples > 20));
  await server.kill();
  await eventually('the page notices', () => page.evaluate(() => ['waiting', 'connecting'].includes(window.slipstream.connection().phase)));
  const before = await page.evaluate(() => window.slipstream.counts().samples);
  await server.run();
  publisher.close();
  publisher = await Publisher.connect(server);
  await live();
  await eventually('samples go on', () => page.evaluate((count) => window.slipstream.counts().samples > count + 20, before));
});

test('through restarts of the server the plots have no gap and nothing twice', async () => {
  publisher.close();
  publisher = await PatientPublisher.connect(server, 'patient');
  drive('through');
  await open();
  const [id] = await eventually('a vehicle is plotted', async () => {
    const ids = await page.evaluate(() => window.slipstream.chosen());
    return ids.length > 0 && ids;
  });
  await eventually('a plot with data', () => page.evaluate(() => window.slipstream.plot('speed_mps')?.x.length > 20));
  const begin = await page.evaluate(() => window.slipstream.plot('speed_mps').x[0] * 1000);
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const before = await page.evaluate(() => window.slipstream.channels());
    await server.kill(signal);
    const down = Date.now();
    await eventually('more was sent meanwhile', () => sent[id].filter(({ t }) => t > down).length > 20);
    await server.run();
    await live();
    await eventually('everything is acknowledged', () => publisher.waiting < 10);
    const until = Date.now();
    await eventually('samples after the restart are plotted', () => page.evaluate((t) => window.slipstream.plot('speed_mps').x.at(-1) * 1000 > t, until + 300));
    const after = await page.evaluate(() => window.slipstream.channels());
    assert.ok(after.recovered > before.recovered, `${signal}: the server was asked for what was missed`);
    // A drain loses nothing of any channel; a kill may, of what was heard and not yet synced, and says so.
    if (signal === 'SIGTERM') assert.equal(after.lostHistory, before.lostHistory, 'every channel went on where it was');
    const plot = await page.evaluate(() => window.slipstream.plot('speed_mps'));
    const shown = plot.x.filter((_, index) => typeof plot.series[id][index] === 'number').map((seconds) => Math.round(seconds * 1000));
    assert.deepEqual(shown, [...new Set(shown)].sort((a, b) => a - b), `${signal}: each once, in order`);
    const missing = sent[id].filter(({ t }) => t >= begin && t < until && !shown.includes(t));
    assert.equal(missing.length, 0, `${signal}: ${missing.length} of ${sent[id].length} samples are not plotted`);
  }
  assert.deepEqual(page.problems.filter((problem) => !/ERR_CONNECTION|WebSocket/.test(problem)), []);
});

test('the keyboard chooses vehicles, pauses, and opens signals and help', async () => {
  drive('keys');
  await open();
  await eventually('three rows', () => page.evaluate(() => document.querySelectorAll('#timing tr').length === 3));
  const first = await eventually('a first vehicle is plotted', async () => (await page.evaluate(() => window.slipstream.chosen()))[0]);
  await page.keyboard.press('j');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('k');
  await page.keyboard.press('j');
  const focused = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  assert.match(focused, /^Plot keys-/);
  await page.keyboard.press('Space');
  const chosen = await eventually('a second vehicle is plotted', async () => {
    const ids = await page.evaluate(() => window.slipstream.chosen());
    return ids.length === 2 && ids;
  });
  assert.deepEqual(chosen, [first, focused.slice('Plot '.length)]);
  await eventually('both have lines', () => page.evaluate((ids) => ids.every((id) => window.slipstream.plot('speed_mps').series[id]), chosen));

  await page.keyboard.press('s');
  assert.equal(await page.evaluate(() => document.getElementById('signals').open), true);
  await page.click('#signal-list input[value="tyres.fl.temp"]');
  await page.keyboard.press('s');
  assert.equal(await page.evaluate(() => document.getElementById('signals').open), false);
  await eventually('the new signal is plotted', () => page.evaluate(() => Object.values(window.slipstream.plot('tyres.fl.temp')?.series ?? {})[0]?.includes(90)));

  await page.keyboard.press('p');
  const held = await page.evaluate(() => window.slipstream.plot('speed_mps').x.at(-1));
  const samples = await page.evaluate(() => window.slipstream.counts().samples);
  await eventually('data go on arriving', () => page.evaluate((count) => window.slipstream.counts().samples > count + 10, samples));
  assert.equal(await page.evaluate(() => window.slipstream.plot('speed_mps').x.at(-1)), held, 'the picture stands still');
  await page.keyboard.press('p');
  await eventually('the picture goes on', () => page.evaluate((x) => window.slipstream.plot('speed_mps').x.at(-1) > x, held));

  await page.keyboard.press('?');
  assert.equal(await page.evaluate(() => document.getElementById('help').open), true);
  await page.keyboard.press('Escape');
  const theme = await page.evaluate(() => document.documentElement.dataset.theme);
  await page.keyboard.press('t');
  assert.notEqual(await page.evaluate(() => document.documentElement.dataset.theme), theme);
  await page.keyboard.press('t');
  assert.deepEqual(page.problems, []);
});

test('the session room shows its numbers and standings', async () => {
  drive('room');
  await open();
  await eventually('sessions are listed', () => page.evaluate(() => [...document.getElementById('session').options].some((option) => option.value === 'room')));
  await page.selectOption('#session', 'room');
  await eventually('the numbers of the room', () => page.evaluate(() => !document.getElementById('kpis').hidden && document.querySelector('[data-kpi="vehicles"]').textContent === '3'));
  await eventually('its standings', () => page.evaluate(() => document.querySelectorAll('#timing tr').length === 3));
  assert.ok((await page.evaluate(() => window.slipstream.channels().list)).includes('session:room'));
  assert.deepEqual(page.problems, []);
});

test('the rates and latencies are those of now', async () => {
  drive('rates');
  await open();
  await page.selectOption('#session', '');
  await eventually('a latency that one machine can have', async () => {
    const { server: measured } = await page.evaluate(() => window.slipstream.latency());
    if (measured.p50 > -5 && measured.p50 < 2_000) return true;
    throw new Error(`${measured.p50} ms`);
  });
  await eventually('a message rate', () => page.evaluate(() => window.slipstream.counts().rate > 20));
  assert.match(await page.textContent('#rates'), /messages\/s/);
});

test('what is played again says so, and has no latency', async () => {
  await open();
  driving = setInterval(() => publisher.ready && publisher.send([sample('old', 0, Date.now() - 86_400_000, 'yesterday')]), 50);
  await eventually('the word', () => page.evaluate(() => document.querySelector('[data-rate="source"]').textContent === 'replay'));
  assert.doesNotMatch(await page.textContent('#rates'), /86/);
});

test('the map survives stray positions, keeps frames of reference apart, and can be fitted again', async () => {
  await open();
  let step = 0;
  driving = setInterval(() => {
    if (!publisher.ready) return;
    step += 1;
    const timestamp = new Date().toISOString();
    const stray = step === 40 || step === 41;
    const data = { lat_deg: stray ? 10 : 50 + step * 1e-6, lon_deg: stray ? 10 : 8, speed_kph: 36 };
    publisher.send([{ driverId: 'stray-a', sessionId: 'stray', timestamp, data }, { driverId: 'stray-b', sessionId: 'stray', timestamp, data: { x_m: 5e5 + step, y_m: 0 } }]);
  }, 50);
  await eventually('both places are known', () => page.evaluate(() => window.slipstream.map().frames.length === 2));
  await eventually('they can be chosen', () => page.isVisible('#map-place'));
  await eventually('the stray position is over', () => step > 60);
  await eventually('the map is as it was', () => page.evaluate(() => {
    const { bounds } = window.slipstream.map();
    return window.slipstream.map().frames.length === 2 && bounds.right - bounds.left < 500 && bounds.top - bounds.bottom < 500;
  }));
  const before = await page.evaluate(() => window.slipstream.map().frame);
  await page.click('#map-place');
  await eventually('the other place', () => page.evaluate((frame) => window.slipstream.map().frame !== frame, before));
  await page.click('#map-fit');
  await eventually('a fit to what is now', () => page.evaluate(() => {
    const { bounds } = window.slipstream.map();
    return bounds.right - bounds.left < 50;
  }));
  await eventually('speed by another name', () => page.evaluate(() => document.querySelector('#timing').textContent.includes('36')));
  assert.deepEqual(page.problems, []);
});

test('the API page follows the theme and fits a phone', async () => {
  await page.close();
  page = await browser.page({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  await page.goto(`${server.address}/docs`);
  const { scroll, width, scheme } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, width: innerWidth, scheme: getComputedStyle(document.documentElement).colorScheme }));
  assert.ok(scroll <= width && width === 390, `${scroll} px wide on ${width}`);
  assert.equal(scheme, 'light dark');
});

test('a phone has no sideways scroll and shows everything', async () => {
  await page.close();
  page = await browser.page({ viewport: { width: 360, height: 740 }, colorScheme: 'light' });
  drive('phone');
  await open();
  await eventually('cars are drawn', () => page.evaluate(() => Object.keys(window.slipstream.positions()).length >= 3));
  await eventually('a plot is drawn', () => page.evaluate(() => window.slipstream.plot('speed_mps')?.x.length > 5));
  const { scroll, width, map, plot } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    width: innerWidth,
    map: document.getElementById('map').clientHeight,
    plot: document.querySelector('#plots canvas')?.clientHeight ?? 0,
  }));
  assert.ok(scroll <= width, `${scroll} px wide on ${width}`);
  assert.ok(map > 150 && plot > 60, `map ${map} px, plot ${plot} px high`);
  assert.deepEqual(page.problems, []);
});

test('the token leaves the address bar, and a refused one is asked for again', async () => {
  await open();
  assert.equal(new URL(page.url()).search, '');
  await page.reload();
  await live();
  await page.evaluate(() => sessionStorage.clear());
  await page.goto(`${server.address}/?token=not-a-token`);
  await eventually('the page says the token was refused', () => page.evaluate(() => window.slipstream.connection().phase === 'refused'));
  assert.equal(await page.isVisible('#token-form'), true);
  await page.fill('#token', token('viewer'));
  await page.keyboard.press('Enter');
  await live();
  assert.equal(await page.isVisible('#token-form'), false);
});
