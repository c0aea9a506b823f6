// The pipelines page's modules that need no browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layoutOf } from '../../gateway/console/js/pipelines/layout.js';
import { bytes, count, nanos, perSecond, Rates, seconds } from '../../gateway/console/js/pipelines/rates.js';
import { shapeOf, stepAbout } from '../../gateway/console/js/pipelines/shape.js';

const JOINED = {
  name: 'weather',
  source: { vehicles: ['car-*'], signals: ['speed_mps'] },
  steps: [
    { op: 'filter', when: 'speed_mps > 1' },
    { op: 'join', mode: 'as_of', with: { source: { vehicles: ['station-*'] }, steps: [{ op: 'rename', to: { t: 'track_c' } }] } },
    { op: 'window', name: 'tens', kind: 'tumbling', size: '10s', of: { speed_mps: ['mean', 'max'] } },
  ],
  outputs: { per_key: true, late: true, series: { prefix: 'w' } },
};
const STEPS = ['filter', 'reorder (put in)', 'rename', 'join', 'tens'].map((name) => ({ name }));

test('a description becomes a graph whose nodes know their statistics, steps put in and second inputs included', () => {
  const { main, sides, outputs } = shapeOf(JOINED, STEPS);
  assert.deepEqual(main.map(({ op, stats }) => [op, STEPS[stats]?.name]), [
    ['source', undefined],
    ['filter', 'filter'],
    ['reorder', 'reorder (put in)'],
    ['join', 'join'],
    ['window', 'tens'],
  ]);
  assert.deepEqual([...sides].map(([id, side]) => [id, side.map(({ op, stats }) => [op, STEPS[stats]?.name])]), [
    ['step:1', [['second source', undefined], ['rename', 'rename']]],
  ]);
  assert.deepEqual(outputs.map(({ id }) => id), ['out:channel', 'out:keys', 'out:late', 'out:series']);
  assert.equal(main[0].about, 'car-* · speed_mps');
  assert.equal(stepAbout(JOINED.steps[2]), 'tumbling 10s · speed_mps mean, max');
});

test('a pipeline that never ran has a graph without numbers', () => {
  const { main } = shapeOf({ name: 'x', steps: [{ op: 'filter', when: 'true' }] }, []);
  assert.deepEqual(main.map(({ stats }) => stats), [-1, -1]);
  assert.deepEqual(shapeOf({ name: 'x' }).outputs.map(({ op }) => op), ['pipeline:x']);
});

test('nodes never lie on one another, stay in the room there is, and every node is reached', () => {
  const long = { ...JOINED, steps: [...JOINED.steps, ...Array.from({ length: 9 }, () => ({ op: 'filter', when: 'true' }))] };
  for (const document of [JOINED, long, { name: 'none' }]) {
    for (const width of [250, 366, 500, 760, 1100, 1640]) {
      const shape = shapeOf(document, []);
      const { places, edges, height } = layoutOf(shape, width);
      const all = [...places];
      for (const [id, place] of all) {
        assert.ok(place.x >= 0 && place.x + place.width <= width + 0.5 && place.y + place.height <= height, `${id} at ${JSON.stringify(place)} in ${width} x ${height}`);
        for (const [other, near] of all) {
          const apart = place.x + place.width <= near.x || near.x + near.width <= place.x || place.y + place.height <= near.y || near.y + near.height <= place.y;
          assert.ok(id === other || apart, `${id} and ${other} in ${width}`);
        }
      }
      const reached = new Set(edges.map(({ to }) => to));
      const sources = [...shape.sides.values()].map((side) => side[0].id).concat('source');
      assert.deepEqual(all.map(([id]) => id).filter((id) => !reached.has(id)).sort(), sources.sort());
      for (const { path } of edges) assert.doesNotMatch(path, /NaN|undefined/);
    }
  }
});

test('rates are what grew by the time that passed, and begin anew where a counter fell', () => {
  const rates = new Rates();
  assert.ok(Number.isNaN(rates.rate('a', 100, 0)));
  assert.equal(rates.rate('a', 150, 500), 100);
  assert.equal(rates.rate('a', 150, 600), 100, 'too soon to tell anew');
  const falling = rates.rate('a', 150, 1_500);
  assert.ok(falling > 50 && falling < 100, `bursts do not make it jump: ${falling}`);
  assert.equal(rates.rate('a', 150, 40_000), 0);
  assert.ok(Number.isNaN(rates.rate('a', 3, 41_000)));
  assert.equal(rates.rate('a', 13, 42_000), 10);
});

test('numbers are short enough to read', () => {
  assert.deepEqual([count(950), count(12_345), count(4_560_000), perSecond(0), perSecond(0.44), perSecond(27.2)], ['950', '12.3 k', '4.56 M', '0', '0.4', '27']);
  assert.deepEqual([bytes(512), bytes(3_300), bytes(1.5 * 2 ** 20)], ['512 B', '3.2 KiB', '1.5 MiB']);
  assert.deepEqual([nanos(85), nanos(1_234), nanos(45_000_000)], ['85 ns', '1.2 µs', '45 ms']);
  assert.deepEqual([seconds(0.41), seconds(12), seconds(200), seconds(NaN)], ['0.4 s', '12 s', '3.3 min', '–']);
});
