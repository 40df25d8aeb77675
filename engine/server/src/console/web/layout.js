// Where the boxes and arrows of a graph go: layers from sources to sinks, few crossings, long arrows led around boxes.

export const BOX = { width: 178, head: 52, port: 18 };
const GAP = { layer: 150, box: 26, bend: 14 };
const GAP_DOWN = { layer: 92, box: 18, bend: 12 };

/**
 * The boxes of a plan. An endpoint that takes from the graph and gives to it becomes two boxes, one for each side: what
 * comes from the peer and what goes to the peer are two ends, not a path.
 */
export function boxesOf(plan) {
  const links = Object.values(plan.links ?? {});
  const boxes = new Map();
  for (const node of Object.values(plan.nodes ?? {})) {
    const inputs = [...new Set(links.filter((l) => l.to.node === node.id).map((l) => l.to.port))];
    const outputs = [...new Set(links.filter((l) => l.from.node === node.id).map((l) => l.from.port))];
    const both = node.role === 'endpoint' && inputs.length && outputs.length;
    if (both) {
      boxes.set(`${node.id}>`, { key: `${node.id}>`, node, side: 'from the peer', inputs: [], outputs });
      boxes.set(`>${node.id}`, { key: `>${node.id}`, node, side: 'to the peer', inputs, outputs: [] });
    } else {
      const side = node.role !== 'endpoint' ? '' : outputs.length ? 'from the peer' : inputs.length ? 'to the peer' : '';
      boxes.set(node.id, { key: node.id, node, side, inputs, outputs });
    }
  }
  const arrows = links.map((link) => ({
    link,
    from: boxes.get(`${link.from.node}>`) ?? boxes.get(link.from.node),
    to: boxes.get(`>${link.to.node}`) ?? boxes.get(link.to.node),
  })).filter((arrow) => arrow.from && arrow.to);
  return { boxes: [...boxes.values()], arrows };
}

/**
 * Gives every box x, y, width, height and every arrow its points. `down`: layers go down instead of to the right.
 * `pictures`: height of the picture in boxes that have one, by key.
 */
export function place({ boxes, arrows }, { down = false, pictures = () => 0 } = {}) {
  for (const box of boxes) {
    box.picture = pictures(box);
    box.width = BOX.width;
    box.height = BOX.head + box.picture + (down ? 0 : BOX.port * Math.max(box.inputs.length, box.outputs.length));
  }
  const layers = layersOf(boxes, arrows);
  const { rows, chains } = withBends(layers, arrows);
  untangle(rows);
  const extent = coordinates(rows, down);
  for (const arrow of arrows) {
    arrow.points = points(arrow, chains.get(arrow), down);
    // Bends beside the last box stick out of it.
    for (const { x, y } of arrow.points) {
      extent.width = Math.max(extent.width, x + 4);
      extent.height = Math.max(extent.height, y + 4);
    }
  }
  return extent;
}

/** The longest way from a source gives the layer. Arrows that would close a circle are left out of it. */
function layersOf(boxes, arrows) {
  const state = new Map();
  const back = new Set();
  const outgoing = new Map(boxes.map((box) => [box, []]));
  for (const arrow of arrows) outgoing.get(arrow.from).push(arrow);
  const order = [];
  const visit = (box) => {
    state.set(box, 'open');
    for (const arrow of outgoing.get(box)) {
      const there = state.get(arrow.to);
      if (there === 'open') back.add(arrow);
      else if (!there) visit(arrow.to);
    }
    state.set(box, 'done');
    order.unshift(box);
  };
  for (const box of boxes) if (!state.has(box)) visit(box);
  for (const box of boxes) box.layer = 0;
  for (const box of order) {
    for (const arrow of outgoing.get(box)) {
      if (!back.has(arrow)) arrow.to.layer = Math.max(arrow.to.layer, box.layer + 1);
    }
  }
  // A source that feeds a late layer only stands right before it.
  const fed = new Set(arrows.map((arrow) => arrow.to));
  for (const box of boxes) {
    const next = outgoing.get(box).filter((arrow) => !back.has(arrow)).map((arrow) => arrow.to.layer);
    if (!fed.has(box) && next.length) box.layer = Math.min(...next) - 1;
  }
  for (const arrow of arrows) arrow.back = back.has(arrow);
  return boxes;
}

/** Rows of layers, with bends where an arrow passes a layer. */
function withBends(boxes, arrows) {
  const rows = [];
  const row = (n) => (rows[n] ??= []);
  for (const box of boxes) {
    box.before = [];
    box.after = [];
    row(box.layer).push(box);
  }
  const chains = new Map();
  const bundles = new Map();
  for (const arrow of arrows) {
    if (arrow.back || arrow.to.layer <= arrow.from.layer) {
      chains.set(arrow, []);
      continue;
    }
    // Arrows between the same two boxes share their bends.
    const bundle = `${arrow.from.key}\n${arrow.to.key}`;
    let chain = bundles.get(bundle);
    if (!chain) {
      chain = [];
      for (let n = arrow.from.layer + 1; n < arrow.to.layer; n += 1) {
        const bend = { bend: true, layer: n, width: 0, height: 0, before: [], after: [] };
        row(n).push(bend);
        chain.push(bend);
      }
      bundles.set(bundle, chain);
      const all = [arrow.from, ...chain, arrow.to];
      for (let n = 0; n + 1 < all.length; n += 1) {
        all[n].after.push(all[n + 1]);
        all[n + 1].before.push(all[n]);
      }
    }
    chains.set(arrow, chain);
  }
  for (let n = 0; n < rows.length; n += 1) row(n);
  return { rows, chains };
}

/** Orders each row by the middle of its neighbours, forth and back. */
function untangle(rows) {
  const number = () => rows.forEach((row) => row.forEach((item, n) => { item.order = n; }));
  number();
  for (let turn = 0; turn < 8; turn += 1) {
    const forth = turn % 2 === 0;
    for (const row of forth ? rows : [...rows].reverse()) {
      const middle = (item) => {
        const near = forth ? item.before : item.after;
        return near.length ? near.reduce((sum, other) => sum + other.order, 0) / near.length : item.order;
      };
      const keyed = row.map((item) => [middle(item), item]);
      keyed.sort((a, b) => a[0] - b[0] || a[1].order - b[1].order);
      row.splice(0, row.length, ...keyed.map(([, item]) => item));
      row.forEach((item, n) => { item.order = n; });
    }
  }
}

function coordinates(rows, down) {
  const gap = down ? GAP_DOWN : GAP;
  const [along, across, length, breadth] = down ? ['y', 'x', 'height', 'width'] : ['x', 'y', 'width', 'height'];
  const space = (a, b) => (a.bend || b.bend ? gap.bend + (a.bend && b.bend ? 8 : gap.box / 2) : gap.box);
  let at = 0;
  let widest = 0;
  for (const row of rows) {
    let side = 0;
    row.forEach((item, n) => {
      if (n) side += space(row[n - 1], item);
      item[across] = side;
      item[along] = at;
      side += item[breadth];
    });
    widest = Math.max(widest, side);
    const longest = Math.max(0, ...row.map((item) => item[length]));
    for (const item of row) if (item.bend) item.long = longest;
    at += longest + gap.layer;
  }
  // Towards the neighbours, as far as the row leaves room.
  const centre = (item) => item[across] + item[breadth] / 2;
  for (const row of rows) {
    const total = row.length ? row.at(-1)[across] + row.at(-1)[breadth] : 0;
    for (const item of row) item[across] += (widest - total) / 2;
  }
  for (let turn = 0; turn < 12; turn += 1) {
    const forth = turn % 2 === 0;
    for (const row of forth ? rows : [...rows].reverse()) {
      const wish = row.map((item) => {
        const near = forth ? item.before : item.after;
        return near.length ? near.reduce((sum, other) => sum + centre(other), 0) / near.length : centre(item);
      });
      settle(row, wish, across, breadth, space);
    }
  }
  const items = rows.flat();
  const least = Math.min(0, ...items.map((item) => item[across]));
  for (const item of items) item[across] -= least;
  const far = (axis, size) => Math.max(0, ...items.map((item) => item[axis] + item[size]));
  return { width: far('x', 'width'), height: far('y', 'height') };
}

/** Places a row in its order as near as possible to what is wished: overlapping items form groups around their mean. */
function settle(row, wish, across, breadth, space) {
  const groups = [];
  row.forEach((item, n) => {
    let group = { items: [item], offsets: [0], size: item[breadth], sum: wish[n] - item[breadth] / 2, count: 1 };
    group.start = group.sum;
    while (groups.length) {
      const last = groups.at(-1);
      const room = space(last.items.at(-1), group.items[0]);
      if (last.start + last.size + room <= group.start) break;
      groups.pop();
      const shift = last.size + room;
      group = {
        items: [...last.items, ...group.items],
        offsets: [...last.offsets, ...group.offsets.map((offset) => offset + shift)],
        size: shift + group.size,
        sum: last.sum + group.sum - shift * group.count,
        count: last.count + group.count,
      };
      group.start = group.sum / group.count;
    }
    groups.push(group);
  });
  for (const group of groups) group.items.forEach((item, n) => { item[across] = group.start + group.offsets[n]; });
}

/** Where a port's arrow touches its box. */
export function portPoint(box, side, port, down) {
  const ports = side === 'in' ? box.inputs : box.outputs;
  const n = Math.max(0, ports.indexOf(port));
  if (down) {
    const x = box.x + box.width * (n + 1) / (ports.length + 1);
    return { x, y: side === 'in' ? box.y : box.y + box.height };
  }
  const y = box.y + BOX.head + box.picture + BOX.port * (n + 0.5) - 4;
  return { x: side === 'in' ? box.x : box.x + box.width, y };
}

function points(arrow, chain, down) {
  const from = portPoint(arrow.from, 'out', arrow.link.from.port, down);
  const to = portPoint(arrow.to, 'in', arrow.link.to.port, down);
  const shift = down ? from.x - (arrow.from.x + arrow.from.width / 2) : from.y - (arrow.from.y + arrow.from.height / 2);
  const bends = chain.flatMap((bend) => {
    const off = shift / 4;
    return down
      ? [{ x: bend.x + off, y: bend.y }, { x: bend.x + off, y: bend.y + bend.long }]
      : [{ x: bend.x, y: bend.y + off }, { x: bend.x + bend.long, y: bend.y + off }];
  });
  return [from, ...bends, to];
}

/** A smooth path through points, leaving and arriving straight. */
export function curve(points, down) {
  let path = `M${points[0].x.toFixed(1)} ${points[0].y.toFixed(1)}`;
  for (let n = 1; n < points.length; n += 1) {
    const [a, b] = [points[n - 1], points[n]];
    if (down) {
      const reach = b.y > a.y ? Math.max(24, (b.y - a.y) / 2) : 60;
      path += ` C${a.x} ${a.y + reach}, ${b.x} ${b.y - reach}, ${b.x} ${b.y}`;
    } else {
      const reach = b.x > a.x ? Math.max(24, (b.x - a.x) / 2) : 80;
      path += ` C${a.x + reach} ${a.y}, ${b.x - reach} ${b.y}, ${b.x} ${b.y}`;
    }
  }
  return path;
}
