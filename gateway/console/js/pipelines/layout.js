// Where a graph's nodes stand: in lines from left to right that break where the room ends; one below the other on a phone.

export const NODE = { width: 206, height: 124 };
const GAP = { x: 58, y: 40 };
const OUTPUT = { height: 46, gap: 10 };

/** Nodes in one line of this width. */
function columnsIn(width) {
  return Math.max(1, Math.floor((width + GAP.x) / (NODE.width + GAP.x)));
}

/**
 * `{places, edges, width, height}` of a shape: `places` has for a node's id `{x, y, width, height, row}`, `edges` are
 * `{from, to, path}`. A step's second input stands below it and leads up to it; where there is only one column it stands above.
 */
export function layoutOf(shape, width) {
  const columns = columnsIn(width);
  // With one column nodes take all the room there is, with more they grow to fill the line.
  const wide = columns === 1 ? width : Math.min(260, (width - GAP.x * (columns - 1)) / columns);
  const cells = columns === 1 ? stacked(shape) : inLines(shape, columns);
  const places = new Map();
  const at = ({ column, row }) => ({ x: column * (wide + GAP.x), y: row * (NODE.height + GAP.y), width: wide, row });
  for (const [id, cell] of cells) places.set(id, { ...at(cell), height: NODE.height });
  const last = cells.get(shape.main.at(-1).id);
  const lowest = Math.max(...[...cells.values()].map(({ row }) => row));
  const end = last.column + 1 < columns ? { column: last.column + 1, row: last.row } : { column: 0, row: lowest + 1 };
  shape.outputs.forEach(({ id }, index) => {
    const { y, ...place } = at(end);
    places.set(id, { ...place, y: y + index * (OUTPUT.height + OUTPUT.gap), height: OUTPUT.height });
  });
  const height = Math.max(...[...places.values()].map((place) => place.y + place.height));
  return { places, edges: edgesOf(shape, places), width, height };
}

/** One below the other, second inputs before the step they lead to. */
function stacked({ main, sides }) {
  const order = main.flatMap((node) => [...(sides.get(node.id) ?? []), node]);
  return new Map(order.map(({ id }, row) => [id, { column: 0, row }]));
}

/** In lines, second inputs in lines of their own below that of the step. */
function inLines({ main, sides }, columns) {
  const cells = new Map();
  let row = 0;
  for (let begin = 0; begin < main.length; begin += columns) {
    const line = main.slice(begin, begin + columns);
    const taken = new Set(); // Cells below the line.
    let deepest = 0;
    line.forEach(({ id }, column) => {
      cells.set(id, { column, row });
      const side = sides.get(id) ?? [];
      let depth = 1;
      for (let left = side.length; left > 0; ) {
        const count = Math.min(column + 1, left);
        const held = Array.from({ length: count }, (_, index) => column - count + 1 + index);
        while (held.some((place) => taken.has(`${place} ${depth}`))) depth += 1;
        held.forEach((place, index) => {
          cells.set(side[left - count + index].id, { column: place, row: row + depth });
          taken.add(`${place} ${depth}`);
        });
        deepest = Math.max(deepest, depth);
        left -= count;
      }
    });
    row += deepest + 1;
  }
  return cells;
}

function edgesOf({ main, sides, outputs }, places) {
  const edges = [];
  const add = (from, to) => edges.push({ from: from.id, to: to.id, path: path(places.get(from.id), places.get(to.id)) });
  const chain = (nodes) => nodes.slice(1).forEach((node, index) => add(nodes[index], node));
  chain(main);
  for (const [id, side] of sides) {
    chain(side);
    add(side.at(-1), { id });
  }
  for (const output of outputs) add(main.at(-1), output);
  return edges;
}

/** A line from one place to another: straight on, up, down, or around a line's end. */
function path(from, to) {
  const middle = from.y + Math.min(from.height, NODE.height) / 2;
  const target = to.y + to.height / 2;
  if (from.row === to.row && to.x > from.x) {
    const [start, end] = [from.x + from.width, to.x];
    const bend = Math.min(26, (end - start) / 2);
    return `M${start} ${middle}C${start + bend} ${middle} ${end - bend} ${target} ${end} ${target}`;
  }
  const center = from.x + from.width / 2;
  if (to.row < from.row) {
    // Up to the step above, or around to the line above.
    if (from.x === to.x) return `M${center} ${from.y}V${to.y + to.height}`;
    const turn = from.y - GAP.y / 2;
    return around([center, from.y], turn, [to.x + to.width / 2, to.y + to.height]);
  }
  if (from.x === to.x) {
    if (to.y - from.y < NODE.height + GAP.y + 1) return `M${center} ${from.y + from.height}V${to.y}`;
    // Past what stands between.
    const left = from.x - 10;
    return `M${from.x} ${middle}Q${left} ${middle} ${left} ${middle + 10}V${target - 10}Q${left} ${target} ${to.x} ${target}`;
  }
  const turn = to.y - GAP.y / 2;
  const end = [to.x + to.width / 2, to.y];
  if (to.row === from.row + 1) return around([center, from.y + from.height], turn, end);
  // What stands below is passed on the right.
  const right = from.x + from.width;
  return `M${right} ${middle}Q${right + 10} ${middle} ${right + 10} ${middle + 10}V${turn - 8}Q${right + 10} ${turn} ${right + 2} ${turn}H${end[0] + 8}Q${end[0]} ${turn} ${end[0]} ${turn + 8}V${end[1]}`;
}

/** Down (or up) to `turn`, across, and on. */
function around([x, y], turn, [endX, endY]) {
  const [side, down] = [Math.sign(endX - x) * 8, Math.sign(turn - y) * 8];
  return `M${x} ${y}V${turn - down}Q${x} ${turn} ${x + side} ${turn}H${endX - side}Q${endX} ${turn} ${endX} ${turn + down}V${endY}`;
}
