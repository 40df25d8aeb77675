// The console's own layout of graphs, without a browser: boxes never overlap, arrows arrive, layers go one way.

import { scenario } from '../driver.mjs';
import { boxesOf, curve, place } from '../../../engine/server/src/console/web/layout.js';

/** Numbers that look random and are the same in every run. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

/** A plan with so many elements, links mostly forwards, endpoints now and then. */
function plan(seed) {
  const pick = random(seed);
  const count = 1 + pick(14);
  const roles = ['source', 'filter', 'endpoint', 'sink', 'mixer'];
  const nodes = Array.from({ length: count }, (_, n) => ({ id: `e${n}`, type: 't', role: roles[pick(roles.length)], domain: `e${n}` }));
  const links = {};
  for (let n = pick(count * 2); n >= 0; n -= 1) {
    const [a, b] = [pick(count), pick(count)];
    const forwards = nodes[Math.max(a, b)].role === 'endpoint' || pick(8) === 0 ? [a, b] : [Math.min(a, b), Math.max(a, b)];
    const medium = ['video', 'audio'][pick(2)];
    const [from, to] = forwards.map((one) => ({ node: `e${one}`, port: medium }));
    const id = `${from.node}.${medium} -> ${to.node}.${medium}`;
    links[id] = { id, from, to, medium };
  }
  return { nodes: Object.fromEntries(nodes.map((node) => [node.id, node])), links };
}

const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

await scenario(async ({ graphs = 400 }) => {
  const wrong = [];
  let most = 0;
  for (let seed = 1; seed <= graphs; seed += 1) {
    for (const down of [false, true]) {
      const graph = boxesOf(plan(seed));
      const extent = place(graph, { down, pictures: (box) => (box.outputs.length ? 100 : 0) });
      most = Math.max(most, graph.boxes.length);
      const bad = (what) => wrong.push(`graph ${seed}${down ? ', down' : ''}: ${what}`);
      graph.boxes.forEach((a, n) => graph.boxes.slice(n + 1).forEach((b) => overlap(a, b) && bad(`${a.key} lies on ${b.key}`)));
      for (const box of graph.boxes) {
        const inside = box.x >= -0.01 && box.y >= -0.01 && box.x + box.width <= extent.width + 0.01 && box.y + box.height <= extent.height + 0.01;
        if (!inside || !Number.isFinite(box.x + box.y)) bad(`${box.key} sticks out`);
      }
      for (const arrow of graph.arrows) {
        if (!arrow.back && arrow.from !== arrow.to && arrow.from.layer >= arrow.to.layer) bad(`${arrow.link.id} goes back`);
        if (!/^M[-\d. ]+( C[-\d.e, ]+)+$/.test(curve(arrow.points, down))) bad(`${arrow.link.id} has no path`);
      }
    }
  }
  return { graphs, most, wrong: wrong.slice(0, 10) };
});
