// A pipeline's graph, drawn live: boxes, ports, what flows, what is transcoded, what is lost.

import { button, fill, h, s, say } from './dom.js';
import { boxesOf, BOX, curve, place, portPoint } from './layout.js';
import { amount, bits, count, format, state } from './words.js';

const MARGIN = 14;
const PICTURE = 126;
/** Below this width of the page, layers go down. */
const NARROW = 640;

export class GraphView {
  #boxes = new Map();
  #arrows = [];
  #selected = null;
  #pictures = null;
  #down = false;

  /** `onselect(id)` when an element is chosen; `pictures` gives thumbnails (see pictures.js). */
  constructor(feed, onselect, pictures) {
    this.feed = feed;
    this.onselect = onselect;
    this.thumbnails = pictures;
    this.canvas = h('div.canvas', { tabindex: '-1' });
    this.legend = h('div.domains');
    this.toggle = button('small', 'picture', 'Pictures', () => this.#togglePictures(), {
      'aria-pressed': 'false', title: 'A picture of every video output, renewed every few seconds',
    });
    this.element = h('section.card.graph', { 'aria-label': 'Graph' },
      h('div.row.apart.bar', {}, this.legend, this.toggle), this.canvas);
    this.observer = new ResizeObserver(() => {
      const down = this.element.clientWidth > 0 && this.element.clientWidth < NARROW;
      if (down !== this.#down) {
        this.#down = down;
        this.draw();
      } else {
        this.#fit();
      }
    });
    this.observer.observe(this.element);
    this.listeners = [
      ['graph', () => this.draw()], ['stats', () => this.update()], ['event', () => this.#mark()], ['info', () => this.#mark()],
    ];
    for (const [name, listener] of this.listeners) feed.addEventListener(name, listener);
    this.draw();
  }

  close() {
    this.observer.disconnect();
    for (const [name, listener] of this.listeners) this.feed.removeEventListener(name, listener);
    this.#pictures?.forEach((picture) => picture.stop());
  }

  select(id) {
    this.#selected = id;
    for (const box of this.#boxes.values()) {
      box.group.classList.toggle('selected', box.node.id === id);
      box.group.setAttribute('aria-pressed', String(box.node.id === id));
    }
    for (const arrow of this.#arrows) {
      const { from, to } = arrow.link;
      arrow.group.classList.toggle('near', id !== null && (from.node === id || to.node === id));
    }
  }

  /** Puts the keyboard's focus on an element's box. */
  focus(id) {
    [...this.#boxes.values()].find((box) => box.node.id === id)?.group.focus();
  }

  #togglePictures() {
    if (this.#pictures) {
      this.#pictures.forEach((picture) => picture.stop());
      this.#pictures = null;
    } else {
      this.#pictures = new Map();
    }
    this.toggle.setAttribute('aria-pressed', String(Boolean(this.#pictures)));
    this.draw();
  }

  #hasPicture(box) {
    return Boolean(this.#pictures) && box.outputs.some((port) => this.#output(box.node.id, port)?.medium === 'video');
  }

  #output(id, port) {
    return this.feed.plan?.hubs?.[`${id}.${port}`];
  }

  draw() {
    const { plan } = this.feed;
    if (!plan) return;
    const graph = boxesOf(plan);
    const down = this.#down;
    const extent = place(graph, { down, pictures: (box) => (this.#hasPicture(box) ? PICTURE : 0) });
    this.#colours = new Map(plan.domains.map((domain, n) => [domain.id, n % 8]));
    const size = { width: extent.width + 2 * MARGIN, height: extent.height + 2 * MARGIN };
    this.size = size;
    const had = document.activeElement?.dataset?.id;
    this.#boxes = new Map();
    const arrows = s('g');
    const labels = s('g');
    const boxes = s('g');
    this.#arrows = graph.arrows.map((arrow) => this.#arrow(arrow, down));
    for (const arrow of this.#arrows) {
      arrows.append(arrow.group);
      labels.append(arrow.label);
    }
    for (const box of graph.boxes) {
      const drawn = this.#box(box, down);
      this.#boxes.set(box.key, drawn);
      boxes.append(drawn.group);
    }
    this.svg = s('svg', { viewBox: `0 0 ${size.width} ${size.height}`, role: 'group', 'aria-label': `The graph of ${this.feed.id}` },
      s('g', { transform: `translate(${MARGIN} ${MARGIN})` }, arrows, boxes, labels));
    fill(this.canvas, graph.boxes.length ? this.svg : h('p.empty', {}, 'This pipeline has no elements.'));
    this.#drawLegend(plan);
    this.#drawPictures(graph.boxes);
    this.#fit();
    this.select(plan.nodes[this.#selected] ? this.#selected : null);
    this.update();
    if (had) this.focus(had);
  }

  #colours = new Map();

  #fit() {
    if (!this.svg) return;
    // As large as drawn, smaller down to two thirds if that saves scrolling.
    const room = this.canvas.clientWidth;
    const scale = Math.max(0.66, Math.min(1, room / this.size.width));
    this.svg.setAttribute('width', Math.round(this.size.width * scale));
    this.svg.setAttribute('height', Math.round(this.size.height * scale));
  }

  #box(box, down) {
    const { node } = box;
    const tint = this.#colours.has(node.domain) ? `tint${this.#colours.get(node.domain)}` : 'tint-none';
    const choose = () => this.onselect(this.#selected === node.id ? null : node.id);
    const dot = s('circle.dot', { cx: box.width - 14, cy: 16, r: 4.5 });
    const tip = s('title');
    const ports = down ? [] : [...box.inputs.map((p) => ['in', p]), ...box.outputs.map((p) => ['out', p])].map(([side, port]) => {
      const at = portPoint(box, side, port, false);
      const [x, anchor] = side === 'in' ? [10, 'start'] : [box.width - 10, 'end'];
      return s('text.port', { 'aria-hidden': 'true', x, y: at.y - box.y + 4, 'text-anchor': anchor }, port);
    });
    const image = box.picture ? s('image.shot', {
      x: 10, y: BOX.head - 4, width: box.width - 20, height: box.picture - 6, preserveAspectRatio: 'xMidYMid meet',
    }) : null;
    const group = s(`g.box.${tint}`, {
      transform: `translate(${box.x} ${box.y})`, tabindex: '0', role: 'button', 'aria-pressed': 'false', 'data-id': node.id,
      'data-box': box.key,
      onclick: choose,
      onkeydown: (event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          choose();
        } else if (event.key.startsWith('Arrow')) {
          event.preventDefault();
          this.#step(box.key, event.key);
        }
      },
    },
    tip,
    s('rect.back', { width: box.width, height: box.height, rx: 9 }),
    s('path.edge', { d: `M9 .75H${box.width - 9}` }),
    s('text.id', { x: 12, y: 21, 'aria-hidden': 'true' }, shorten(node.id, 19)),
    s('text.type', { x: 12, y: 38, 'aria-hidden': 'true' }, shorten(box.side ? `${node.type}, ${box.side}` : node.type, 25)),
    box.picture ? s('rect.shade', { x: 10, y: BOX.head - 4, width: box.width - 20, height: box.picture - 6, rx: 4 }) : null,
    image, dot, ports);
    return { ...box, group, dot, tip, image };
  }

  /** To the nearest box in the direction of an arrow key. */
  #step(key, arrow) {
    const from = this.#boxes.get(key);
    const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
    const [x, y] = middle(from);
    const [ax, ay] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[arrow];
    let best = null;
    for (const box of this.#boxes.values()) {
      const [dx, dy] = [middle(box)[0] - x, middle(box)[1] - y];
      const along = dx * ax + dy * ay;
      const aside = Math.abs(dx * ay) + Math.abs(dy * ax);
      const far = along + 2 * aside;
      if (box !== from && along > 4 && (!best || far < best.far)) best = { box, far };
    }
    best?.box.group.focus();
  }

  #arrow(arrow, down) {
    const { link } = arrow;
    const { points } = arrow;
    const path = curve(points, down);
    const line = s('path.line', { d: path });
    const group = s(`g.arrow.${link.medium}`, {}, s('title'), s('path.wide', { d: path }), line,
      s('path.tip', { d: tipOf(points.at(-1), down) }));
    if (link.join?.kind === 'bridge') group.classList.add('crosses');
    const start = points[0];
    const hub = s('g.hub', { transform: `translate(${start.x} ${start.y})` }, s('circle', { r: 4 }));
    group.append(hub);
    // The label stands where the arrow arrives: there arrows of one output lie apart.
    const end = points.at(-1);
    const at = down ? { x: end.x, y: end.y - 14 } : { x: end.x - 12, y: end.y };
    const label = s('g.label', { transform: `translate(${at.x} ${at.y})`, 'aria-hidden': 'true' });
    return { ...arrow, group, line, hub, label, down };
  }

  #drawLegend(plan) {
    const domains = plan.domains.map((domain) => {
      const chip = h(`span.domain.tint${this.#colours.get(domain.id)}`, { title: domain.why }, domain.id);
      return chip;
    });
    fill(this.legend, h('span.quiet', { title: 'Elements of one failure domain share a fate; a failure does not cross.' },
      count(domains.length, 'failure domain')), domains.length <= 8 ? domains : []);
  }

  #drawPictures(boxes) {
    if (!this.#pictures) return;
    this.#pictures.forEach((picture) => picture.stop());
    this.#pictures = new Map();
    for (const box of boxes.filter((one) => one.picture)) {
      const port = box.outputs.find((p) => this.#output(box.node.id, p)?.medium === 'video');
      const { image } = this.#boxes.get(box.key);
      this.#pictures.set(box.key, this.thumbnails.watch(box.node.id, port, (address) => image.setAttribute('href', address)));
    }
  }

  /** Puts the numbers of now onto what is drawn. */
  update() {
    const { history } = this.feed;
    for (const arrow of this.#arrows) {
      const { link } = arrow;
      const flow = history.flow(link);
      const transcode = this.feed.transcode(link);
      const moving = flow.fps > 0 && this.feed.info?.state !== 'stopped';
      const lost = flow.dropping > 0;
      arrow.group.classList.toggle('moving', moving);
      arrow.group.classList.toggle('losing', lost);
      arrow.group.classList.toggle('idle', link.absent);
      const raw = this.feed.isRaw(link);
      // Many bits make a wide line: 1.5 at little, 5 at 8 Mbit/s.
      const width = moving ? 1.5 + (raw ? 1.5 : Math.min(3.5, Math.sqrt((flow.bits ?? 0) / 8e6) * 3.5)) : 1.5;
      arrow.line.style.strokeWidth = `${width.toFixed(1)}px`;
      const lines = [];
      const made = transcoded(link, transcode);
      if (this.feed.info?.state === 'stopped') {
        if (flow.frames) lines.push(['rate', `${amount(flow.frames)} in all`]);
      } else if (!link.absent && flow.fps !== undefined && flow.frames > 0) {
        const rate = link.medium === 'video' ? `${amount(flow.fps)} fps` : link.medium === 'audio' ? '' : `${amount(flow.fps)} /s`;
        lines.push(['rate', [rate, raw ? '' : bits(flow.bits)].filter(Boolean).join(', ')]);
      }
      if (made) lines.unshift(['made', made]);
      if (flow.dropped) lines.push(['lost', `${amount(flow.dropped)} lost`]);
      this.#label(arrow, lines);
      arrow.hub.classList.toggle('makes', Boolean(made));
      say(arrow.group.firstChild, [link.id, link.why, transcode?.reason].filter(Boolean).join('\n'));
    }
    this.#mark();
  }

  #label(arrow, lines) {
    const text = lines.map(([look, words]) => `${look}${words}`).join('\n');
    if (arrow.text === text) return;
    arrow.text = text;
    const height = 14;
    // Above the arrow; what comes after pictures stands below its own, so that the two do not cover each other. Where
    // layers go down there is room for one only.
    const below = !arrow.down && arrow.to.inputs.indexOf(arrow.link.to.port) > 0;
    const beside = arrow.down && arrow.to.inputs.indexOf(arrow.link.to.port) > 0;
    const nodes = beside ? [] : lines.flatMap(([look, words], n) => {
      const width = words.length * 6.1 + 8;
      const y = below ? 13 + n * height : -10 - (lines.length - 1 - n) * height;
      const x = arrow.down ? -width / 2 : -width;
      return [s('rect', { x, y: y - 8, width, height, rx: 4 }),
        s(`text.${look}`, { x: arrow.down ? 0 : -4, y: y + 3, 'text-anchor': arrow.down ? 'middle' : 'end' }, words)];
    });
    fill(arrow.label, nodes);
  }

  /** The states of the boxes. */
  #mark() {
    const running = this.feed.info?.state === 'running';
    for (const box of this.#boxes.values()) {
      const { node } = box;
      const trouble = this.feed.troubles.get(node.id);
      const peer = this.feed.peers.get(node.id);
      const look = trouble ? 'bad' : node.role === 'endpoint' ? state(peer ?? 'new')[0] : this.#flows(node.id) ? 'good' : 'quiet';
      box.dot.setAttribute('class', `dot ${look}`);
      const words = trouble ? trouble.reason ?? 'in trouble' : node.role === 'endpoint' ? state(peer ?? 'new')[1]
        : look === 'good' ? 'media flows' : running ? 'nothing flows' : 'not running';
      const label = `${node.id}, ${node.type}${box.side ? `, ${box.side}` : ''}: ${words}`;
      if (box.group.getAttribute('aria-label') !== label) {
        box.group.setAttribute('aria-label', label);
        say(box.tip, `${label}\nfailure domain: ${node.domain ?? 'none yet'}; if it fails: ${node.on_error}`);
      }
    }
  }

  #flows(id) {
    const { history } = this.feed;
    const element = history.stats?.elements?.[id];
    if (!element || this.feed.info?.state === 'stopped') return false;
    const moving = (side, ports) => Object.keys(ports ?? {}).some((port) => history.last(`fps ${side} ${id}.${port}`) > 0);
    return moving('in', element.inputs) || moving('out', element.outputs);
  }
}

function transcoded(link, transcode) {
  if (transcode) return `${transcode.from} → ${transcode.to}`;
  if (link.service?.kind === 'encode') return `→ ${format(link.service.format)}`;
  if (link.service?.kind === 'decode') return 'decoded';
  return '';
}

const shorten = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function tipOf({ x, y }, down) {
  return down ? `M${x - 4.5} ${y - 8}L${x} ${y}L${x + 4.5} ${y - 8}` : `M${x - 8} ${y - 4.5}L${x} ${y}L${x - 8} ${y + 4.5}`;
}
