// The pipelines page against the real binary: what an engineer relies on.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { openBrowser } from './browser.js';
import { eventually, Publisher, Server, token } from './server.js';

const SPEED = {
  name: 'speed',
  description: 'Mean and top speed of every car, each second',
  source: { vehicles: ['car-*'] },
  time: { delay: '200ms' },
  steps: [
    { op: 'filter', when: 'speed_mps > 1' },
    { op: 'window', kind: 'tumbling', size: '1s', of: { speed_mps: ['mean', 'max'] } },
  ],
  outputs: { per_key: true, late: true },
};
let server;
let browser;
let page;
let publisher;
let driving;

async function call(method, path, body) {
  const headers = { authorization: `Bearer ${token('engineer')}` };
  const answer = await fetch(server.address + path, { method, headers, body: body && JSON.stringify(body) });
  const { data, error } = await answer.json();
  assert.ok(answer.ok, JSON.stringify(error));
  return data;
}

/** Twenty samples a second of three cars; each fourth is too slow for the filter. */
function drive() {
  let step = 0;
  driving = setInterval(() => {
    if (!publisher.ready) return;
    step += 1;
    const timestamp = new Date().toISOString();
    publisher.send(['car-1', 'car-2', 'car-3'].map((driverId, index) => ({ driverId, timestamp, data: { speed_mps: step % 4 ? 40 + 10 * index : 0 } })));
  }, 50);
}

const show = async (role = 'engineer', hash = '#speed') => {
  await page.goto(`${server.address}/pipelines?token=${token(role)}${hash}`);
  await eventually('the graph is drawn', () => page.evaluate(() => document.querySelectorAll('#graph .node').length > 0));
};
const text = (node, number) => page.evaluate(([id, label]) => document.querySelector(`[data-node="${id}"] [data-number="${label}"] dd`)?.textContent, [node, number]);
const state = () => page.evaluate(() => window.slipstream.statistics()?.state);

before(async () => {
  server = await Server.start();
  browser = await openBrowser();
  publisher = await Publisher.connect(server);
  await call('POST', '/api/pipelines', SPEED);
  await call('POST', '/api/pipelines', { name: 'another', source: { vehicles: ['bus-*'] } });
  drive();
});

after(async () => {
  clearInterval(driving);
  publisher?.close();
  await browser?.close();
  await server?.stop();
});

beforeEach(async () => {
  page = await browser.page();
});

afterEach(async () => {
  await page.close();
});

test('the graph shows what was declared, with the numbers the server tells', async () => {
  await show();
  const nodes = await page.evaluate(() => [...document.querySelectorAll('#graph .node')].map((node) => [node.dataset.node, node.querySelector('b').textContent]));
  assert.deepEqual(nodes, [
    ['source', 'source'],
    ['step:0', 'filter'],
    ['step:1', 'window'],
    ['out:channel', 'pipeline:speed'],
    ['out:keys', 'pipeline:speed.<key>'],
    ['out:late', 'pipeline:speed.late'],
  ]);
  await eventually('rows flow in at about 60 a second', async () => {
    const rate = parseFloat(await text('source', 'in'));
    return rate > 30 && rate < 100;
  });
  await eventually('what the filter drops is counted', async () => parseFloat(await text('step:0', 'dropped')) > 10);
  await eventually('processing time is told', async () => /^[\d.]+ (ns|µs|ms)$/.test(await text('step:1', 'p99')));
  await eventually('state is told', async () => /B$/.test(await text('step:1', 'state')));
  assert.match(await text('source', 'watermark'), /behind$/);
  await eventually('lines move', () => page.evaluate(() => document.querySelectorAll('.edge.moving').length >= 2));
  const { steps } = await page.evaluate(() => window.slipstream.statistics());
  const told = await call('GET', '/api/pipelines/speed/stats');
  assert.ok(steps[0].rows_in > 0 && steps[0].rows_in <= told.steps[0].rows_in);
  assert.deepEqual(page.problems, []);
});

test('results come live, each period once', async () => {
  await show();
  const rows = await eventually('results of three seconds', async () => {
    const all = await page.evaluate(() => window.slipstream.results());
    return new Set(all.map(({ start }) => start)).size >= 3 && all;
  });
  const car = rows.find(({ key }) => key === 'car-2');
  assert.equal(car.data['speed_mps.max'], 50);
  const periods = rows.map(({ key, start }) => `${key} ${start}`);
  assert.equal(new Set(periods).size, periods.length);
  await eventually('they are in the table', () => page.evaluate(() => document.querySelectorAll('#results tr').length > 3));
  await page.fill('#filter', 'car-3');
  await eventually('only those asked for', () => page.evaluate(() => [...document.querySelectorAll('#results th')].every((th) => th.textContent.startsWith('car-3'))));
  assert.deepEqual(page.problems, []);
});

test('an engineer pauses and resumes; a viewer may only look', async () => {
  await show('viewer');
  await eventually('numbers', state);
  assert.equal(await page.isVisible('#turn'), false);
  assert.equal(await page.isVisible('#may-not'), true);
  await page.close();
  page = await browser.page();
  await show();
  await eventually('it runs', async () => (await state()) === 'running');
  await page.click('#turn');
  await eventually('it stands still', async () => (await page.textContent('#state')) === 'paused' && (await page.textContent('#turn')) === 'Resume');
  assert.equal((await call('GET', '/api/pipelines/speed/stats')).state, 'paused');
  assert.equal(await page.evaluate(() => document.querySelectorAll('#graph .node').length), 6, 'the graph stays');
  await page.click('#turn');
  await eventually('it goes on', async () => (await page.textContent('#state')) === 'running');
  assert.deepEqual(page.problems, []);
});

test('another pipeline is chosen from the list, and one that is removed leaves it', async () => {
  await show();
  await page.click('#pipelines a[href="#another"]');
  await eventually('it is shown', () => page.evaluate(() => window.slipstream.chosen() === 'another' && document.querySelectorAll('#graph .node').length === 2));
  await call('DELETE', '/api/pipelines/another');
  await eventually('the first one is shown again', () => page.evaluate(() => window.slipstream.chosen() === 'speed' && document.querySelectorAll('#pipelines a').length === 1));
  assert.deepEqual(page.problems.filter((problem) => !problem.includes('404')), []);
});

test('nothing is asked while nobody looks', async () => {
  await show();
  const polls = () => page.evaluate(() => window.slipstream.polls());
  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const first = await polls();
  await eventually('it asks once or twice a second', async () => (await polls()) >= first + 3);
  await hide(true);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  // What was under way ends; a round would be due several times.
  await page.waitForTimeout(1_000);
  asked.length = 0;
  const still = await polls();
  await page.waitForTimeout(2_500);
  assert.equal(await polls(), still);
  assert.deepEqual(asked, []);
  await hide(false);
  await eventually('it goes on', async () => (await polls()) > still);
});

test('a phone has no sideways scroll and shows the graph from top to bottom', async () => {
  await page.close();
  page = await browser.page({ viewport: { width: 390, height: 844 }, colorScheme: 'light' });
  await show();
  await eventually('numbers', state);
  const { scroll, width, tops } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    width: innerWidth,
    tops: [...document.querySelectorAll('#graph .node')].map((node) => node.offsetTop),
  }));
  assert.ok(scroll <= width, `${scroll} px wide on ${width}`);
  assert.deepEqual(tops, [...tops].sort((a, b) => a - b));
  assert.equal(new Set(tops).size, tops.length);
  assert.deepEqual(page.problems, []);
});

test('the live page leads here and back, with the token of the tab', async () => {
  await page.goto(`${server.address}/?token=${token('viewer')}`);
  await page.click('nav a[href="pipelines"]');
  await eventually('the graph is drawn', () => page.evaluate(() => document.querySelectorAll('#graph .node').length > 0));
  await page.click('nav a[href="./"]');
  await eventually('the live page is live', () => page.evaluate(() => window.slipstream?.connection().phase === 'live'));
});
