// The agents' page against the real binary: what a viewer and an engineer rely on.
import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { openBrowser } from './browser.js';
import { eventually, Server, token } from './server.js';

/** One that gets somewhere within a test. */
const SHORT = { algorithm: 'q-table', steps: 12_000, evaluate_every: 2_000, episodes: 10, until: 1_000 };

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

beforeEach(async () => (page = await browser.page()));
afterEach(() => page.close());

const shown = (read, argument) => page.evaluate(read, argument);

async function call(method, path, body) {
  const headers = { authorization: `Bearer ${token('engineer')}`, 'content-type': 'application/json' };
  const answer = await fetch(server.address + path, { method, headers, body: body && JSON.stringify(body) });
  const { data, error } = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${JSON.stringify(error)}`);
  return data;
}

async function agent(id, environment = 'daladala') {
  await call('POST', '/api/rl/agents', { id, environment, seed: 5 });
  if (environment === 'daladala') await call('PUT', `/api/rl/agents/${id}/policy`, { model: 'built-in' });
}

async function open(id, role = 'engineer') {
  await page.goto(`${server.address}/rl?token=${token(role)}#${id}`);
  await eventually('connection is live', () => shown(() => window.slipstream?.connection().phase === 'live'));
  if (id) await eventually(`${id} is in view`, () => shown((wanted) => window.slipstream.agent()?.id === wanted && window.slipstream.channels().includes(`rl:${wanted}`), id));
}

test('without an agent the page offers to make one, which then drives', async () => {
  await open('');
  await eventually('the offer', () => page.isEnabled('#first-agent'));
  await page.click('#first-agent');
  await eventually('the bus', () => shown(() => window.slipstream.agent()?.policy?.algorithm === 'DQN'));
  const nowhere = await shown(() => window.slipstream.episode().number || getComputedStyle(document.querySelector('.bus')).visibility);
  assert.ok(nowhere === 'hidden' || nowhere > 0, 'until an episode begins there is no bus');
  await page.selectOption('#pace', '60');
  await page.click('#play');
  await eventually('an episode that ended', () => shown(() => window.slipstream.episode().returns.length > 0));
  await eventually('its bar', () => shown(() => document.querySelectorAll('#returns i').length > 0));
  assert.equal(await page.textContent('#play-text'), 'Pause');
  await page.click('#play');
  await eventually('it stands', () => page.textContent('#play-text').then((text) => text === 'Play'));
  assert.deepEqual(page.problems, []);
});

test('the grid shows bus, stops, lights and police where the episode has them', async () => {
  await agent('grid');
  await call('POST', '/api/rl/agents/grid/episodes', { seed: 11 });
  await open('grid');
  const { state } = await eventually('the state', () => call('GET', '/api/rl/agents/grid').then((view) => view.state && view));
  const places = await eventually('the hazards', () => shown(() => {
    const at = (selector) => [...document.querySelectorAll(selector)].map((mark) => mark.getAttribute('transform'));
    return document.querySelector('.police') && { police: at('.police'), lights: at('.light'), red: document.querySelectorAll('.light.red').length, stops: document.querySelectorAll('.stop').length };
  }));
  const written = ([x, y]) => `translate(${x * 40 + 20} ${y * 40 + 20})`;
  assert.deepEqual(places.police, state.layout.police.map(written));
  assert.deepEqual(places.lights, state.layout.lights.map(written));
  assert.deepEqual([places.red, places.stops], [state.layout.light_red.filter(Boolean).length, 4]);
  const bus = () => shown(() => document.querySelector('.bus').style.transform);
  assert.match(await bus(), /translate\(20px, 580px\)/);
  await page.keyboard.press('.');
  await eventually('the bus moves', async () => /translate\(60px, 580px\)/.test(await bus()));
  const { policy, action_name: name } = await eventually('the step is told', () => shown(() => window.slipstream.episode().last?.policy && window.slipstream.episode().last));
  assert.equal(await shown(() => document.querySelectorAll('#scores li').length), policy.scores.length);
  const deed = await page.textContent('#deed');
  assert.equal(deed.replace(' ', ''), name.toLowerCase());
  assert.deepEqual(page.problems, []);
});

test('a training is begun here, its curve grows to the end, and the policy is played', async () => {
  await agent('learner');
  await open('learner');
  await eventually('the form', () => page.isEnabled('#learn'));
  await page.selectOption('#train [name=algorithm]', 'q-table');
  await page.fill('#train [name=steps]', '12000');
  await page.click('#learn');
  await eventually('it learns', () => shown(() => window.slipstream.training()?.curve.evaluated.length > 0));
  const done = await eventually('it is done', () => shown(() => window.slipstream.training()?.state === 'done' && window.slipstream.training()));
  assert.equal(done.outcome.deployed, true);
  assert.equal(await page.textContent('#training-state'), 'done');
  assert.equal(await shown(() => document.querySelectorAll('#curve .dot').length), done.curve.evaluated.length);
  const drawn = await shown(() => document.querySelector('#curve .evaluated').getAttribute('d'));
  assert.equal(drawn.match(/[ML]/g).length, done.curve.evaluated.length, drawn);
  await eventually('the agent plays it', () => page.textContent('#policy').then((text) => text.startsWith('Q-table')));
  assert.deepEqual(page.problems, []);
});

test('a training begun elsewhere appears, is stopped, goes on, and what is refused is said', async () => {
  await agent('watched');
  await open('watched');
  await call('POST', '/api/rl/agents/watched/training', { ...SHORT, steps: 5_000_000, evaluate_every: 1_000_000 });
  await eventually('it is learning', () => shown(() => window.slipstream.training()?.state === 'running' && window.slipstream.training().progress.steps > 0));
  await page.click('#stop');
  await eventually('it stopped', () => shown(() => window.slipstream.training().state === 'stopped'));
  assert.match(await page.textContent('#training-message'), /stopped at step/);
  await page.click('#resume');
  await eventually('it goes on', () => shown(() => window.slipstream.training().state === 'running'));
  await call('DELETE', '/api/rl/agents/watched/training');
  await eventually('it stopped again', () => shown(() => window.slipstream.training().state === 'stopped'));
  await shown(() => document.querySelector('#train').setAttribute('novalidate', ''));
  await page.fill('#train [name=steps]', '999999999');
  await page.click('#learn');
  await eventually('the refusal', () => page.textContent('#notice').then((text) => text.includes("'steps'")));
});

test('policies are compared side by side', async () => {
  await agent('rival');
  await open('rival');
  await eventually('the choice', () => shown(() => document.querySelectorAll('#contestants input:checked').length >= 2));
  await page.selectOption('#compare [name=episodes]', '200');
  await page.click('#start-compare');
  const compared = await eventually('the table', () => shown(() => window.slipstream.comparison()?.contest !== null && document.querySelector('#results tr') && window.slipstream.comparison()));
  assert.equal(await shown(() => document.querySelectorAll('#results tr').length), compared.results.length);
  const best = Math.max(...compared.results.map(({ evaluation }) => evaluation?.mean ?? -Infinity));
  assert.equal(await page.textContent('#results tr.winner td b'), best.toFixed(1));
  assert.match(await page.textContent('#results tr:last-child th'), /random/, 'the best comes first, chance last');
  assert.deepEqual(page.problems, []);
});

test('a driver on the road is drawn, too', async () => {
  await agent('avoider', 'avoidance');
  await call('POST', '/api/rl/agents/avoider/episodes', { seed: 9 });
  await open('avoider');
  await eventually('the car', () => shown(() => document.querySelector('.car.own') !== null));
  await call('POST', '/api/rl/agents/avoider/steps', { action: 1 });
  await eventually('a step', () => shown(() => window.slipstream.episode().steps > 0));
  assert.equal(await page.textContent('#deed'), 'decelerate');
  assert.deepEqual(page.problems, []);
});

test('who may only watch watches, and sees why nothing can be pressed', async () => {
  await agent('seen');
  await open('seen', 'viewer');
  await call('POST', '/api/rl/agents/seen/episodes', {});
  await call('POST', '/api/rl/agents/seen/steps', { count: 3 });
  await eventually('the steps are seen', () => shown(() => window.slipstream.episode().state?.step_count === 3));
  assert.equal(await shown(() => document.querySelectorAll('[data-drives]:not(:disabled)').length), 0);
  assert.match(await page.textContent('#rights'), /may watch/);
  await page.keyboard.press('.');
  await page.keyboard.press('Space');
  assert.equal((await call('GET', '/api/rl/agents/seen')).counts.steps, 3);
  assert.deepEqual(page.problems, []);
});

test('the keyboard does what the help says, and the live page leads here and back', async () => {
  await agent('keys-1');
  await agent('keys-2');
  await open('keys-1');
  await eventually('it may be driven', () => page.isEnabled('#play'));
  await page.keyboard.press('n');
  await eventually('an episode began', () => shown(() => window.slipstream.episode().number === 1));
  await page.keyboard.press('Space');
  await eventually('it plays', () => shown(() => window.slipstream.episode().steps > 1));
  await page.keyboard.press('Space');
  await eventually('it stands', () => page.textContent('#play-text').then((text) => text === 'Play'));
  await page.keyboard.press('j');
  await eventually('the next agent', () => shown(() => window.slipstream.agent().id === 'keys-2'));
  await page.keyboard.press('k');
  await eventually('the one before', () => shown(() => window.slipstream.agent().id === 'keys-1'));
  await page.keyboard.press('l');
  assert.equal(await shown(() => document.activeElement.id), 'training-title');
  await page.keyboard.press('a');
  await page.fill('#make [name=id]', 'keys-3');
  await page.keyboard.press('Enter');
  await eventually('the new agent', () => shown(() => window.slipstream.agent().id === 'keys-3'));
  await page.keyboard.press('?');
  assert.equal(await shown(() => document.getElementById('help').open), true);
  await page.keyboard.press('Escape');
  await page.click('nav a[href="./"]');
  await eventually('the live page with the same token', () => shown(() => document.title === 'Slipstream live' && window.slipstream?.connection().phase === 'live'));
  await page.click('nav a[href="rl"]');
  await eventually('back again', () => shown(() => document.title === 'Slipstream agents' && window.slipstream?.connection().phase === 'live'));
  assert.deepEqual(page.problems, []);
});

test('a phone has no sideways scroll and shows everything', async () => {
  await agent('phone');
  await call('POST', '/api/rl/agents/phone/episodes', { seed: 3 });
  await call('POST', '/api/rl/agents/phone/steps', { count: 4 });
  await page.setViewportSize({ width: 360, height: 740 });
  await open('phone');
  await eventually('the bus', () => shown(() => document.querySelector('.bus') !== null));
  const { scroll, grid, outside } = await shown(() => {
    const route = document.querySelector('.road').getBoundingClientRect();
    const hud = document.getElementById('hud').getBoundingClientRect();
    return { scroll: document.documentElement.scrollWidth, grid: route.width, outside: hud.bottom > route.bottom - 20 };
  });
  assert.ok(scroll <= 360, `${scroll} px wide on 360`);
  assert.ok(grid > 250 && !outside, `the route is ${grid} px wide, the numbers ${outside ? 'cover it' : 'stand free'}`);
  assert.deepEqual(page.problems, []);
});

test('through a restart of the server the page finds the agent and its training again', async () => {
  await agent('back');
  await open('back');
  await call('POST', '/api/rl/agents/back/training', { ...SHORT, steps: 5_000_000, evaluate_every: 1_000_000 });
  await eventually('it is learning', () => shown(() => window.slipstream.training()?.progress.steps > 0));
  await server.kill('SIGTERM');
  await eventually('the page notices', () => shown(() => window.slipstream.connection().phase !== 'live'));
  await server.run();
  await eventually('it is live again', () => shown(() => window.slipstream.connection().phase === 'live'));
  await eventually('the training went on', () => shown(() => window.slipstream.training()?.resumed === 1 && window.slipstream.training().state === 'running'));
  await call('DELETE', '/api/rl/agents/back/training');
});
