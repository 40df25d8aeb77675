// Plots on a canvas: small ones without axes, large ones with axes, legend and a value under the pointer.

import { h } from './dom.js';

const COLOURS = {
  light: ['#0f766e', '#2563eb', '#c2410c', '#7c3aed', '#b45309', '#be185d', '#4d7c0f', '#0369a1'],
  dark: ['#2dd4bf', '#7db2ff', '#fb923c', '#c4a1ff', '#fbbf24', '#f9a8d4', '#a3e635', '#7dd3fc'],
};

const colours = () => COLOURS[document.documentElement.dataset.theme] ?? COLOURS.light;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The canvas' context, sized to its box in device pixels. */
function prepare(canvas) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** A round number at or above: 1, 2 or 5 with zeros. */
function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}

function path(context, series, x, y, from) {
  context.beginPath();
  let open = false;
  let before = 0;
  for (let n = 0; n < series.times.length; n += 1) {
    const time = series.times[n];
    if (time < from) continue;
    // A hole in time is a hole in the line.
    if (open && time - before < 6) context.lineTo(x(time), y(series.values[n]));
    else context.moveTo(x(time), y(series.values[n]));
    open = true;
    before = time;
  }
}

/** A small line for beside a number. */
export class Spark {
  constructor(label) {
    this.canvas = h('canvas.spark', { role: 'img', 'aria-label': label });
  }

  draw(series, seconds = 60) {
    const { context, width, height } = prepare(this.canvas);
    if (series.times.length < 2) return;
    const end = series.times.at(-1);
    const top = Math.max(...series.values.slice(-seconds * 2), 0) || 1;
    const x = (time) => width - (end - time) / seconds * width;
    const y = (value) => height - 2 - value / top * (height - 5);
    path(context, series, x, y, end - seconds);
    context.strokeStyle = colours()[0];
    context.lineWidth = 1.6;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(width, height);
    const first = series.times.find((time) => time >= end - seconds);
    context.lineTo(x(first), height);
    context.globalAlpha = 0.13;
    context.fillStyle = colours()[0];
    context.fill();
    context.globalAlpha = 1;
  }
}

/** A plot of several lines. `show` turns a value into words. */
export class Plot {
  #lines = [];
  #pointer = null;
  #hidden = new Set();

  constructor(title, show, { note } = {}) {
    this.show = show;
    this.canvas = h('canvas.plot', { role: 'img', 'aria-label': title });
    this.legend = h('ul.legend');
    this.when = h('span.quiet.when');
    this.element = h('section.card.pad.plotcard', { 'aria-label': title },
      h('div.row.apart', {}, h('h2.minor', {}, title), this.when), note && h('p.quiet.note', {}, note), this.canvas, this.legend);
    this.title = title;
    this.canvas.addEventListener('pointermove', (event) => {
      this.#pointer = event.offsetX;
      this.draw();
    });
    this.canvas.addEventListener('pointerleave', () => {
      this.#pointer = null;
      this.draw();
    });
  }

  /** Lines as [{name, series}], over the last `seconds`. */
  update(lines, seconds) {
    this.seconds = seconds;
    const names = lines.map((line) => line.name).join('\n');
    if (names !== this.names) {
      this.names = names;
      this.#drawLegend(lines);
    }
    this.#lines = lines;
    this.draw();
  }

  #drawLegend(lines) {
    this.legend.replaceChildren(...lines.map(({ name }, n) => {
      const swatch = h('span.swatch');
      const value = h('span.number');
      const toggle = h('button', {
        type: 'button', 'aria-pressed': String(!this.#hidden.has(name)), title: 'Show or hide this line',
        onclick: () => {
          if (!this.#hidden.delete(name)) this.#hidden.add(name);
          toggle.setAttribute('aria-pressed', String(!this.#hidden.has(name)));
          this.draw();
        },
      }, swatch, h('span.name', {}, name), value);
      swatch.style.background = colours()[n % 8];
      return h('li', {}, toggle);
    }));
  }

  draw() {
    if (!this.canvas.isConnected || !this.canvas.clientWidth) return;
    const { context, width, height } = prepare(this.canvas);
    const lines = this.#lines.filter(({ name }) => !this.#hidden.has(name));
    const ends = this.#lines.map(({ series }) => series.times.at(-1)).filter((t) => t !== undefined);
    const end = Math.max(...ends, 0);
    const from = end - this.seconds;
    let most = 0;
    for (const { series } of lines) {
      series.values.forEach((value, n) => { if (series.times[n] >= from) most = Math.max(most, value); });
    }
    const top = roundUp(most);
    const box = { left: 4, right: width - 4, top: 14, bottom: height - 18 };
    const x = (time) => box.right - (end - time) / this.seconds * (box.right - box.left);
    const y = (value) => box.bottom - value / top * (box.bottom - box.top);
    if (!ends.length) {
      context.font = '13px system-ui, sans-serif';
      context.fillStyle = token('--faint');
      context.textAlign = 'center';
      context.fillText('No numbers yet', width / 2, height / 2);
      this.#values(null, context, box, x, y);
      return;
    }
    this.#axes(context, box, top, y);
    lines.forEach((line) => {
      const n = this.#lines.indexOf(line);
      path(context, line.series, x, y, from);
      context.strokeStyle = colours()[n % 8];
      context.lineWidth = 1.8;
      context.lineJoin = 'round';
      context.stroke();
    });
    const at = this.#pointer === null ? null : end - (box.right - this.#pointer) / (box.right - box.left) * this.seconds;
    this.#values(at, context, box, x, y);
  }

  #axes(context, box, top, y) {
    context.font = '11px system-ui, sans-serif';
    context.fillStyle = token('--faint');
    context.strokeStyle = token('--line');
    context.lineWidth = 1;
    for (const share of [0, 0.5, 1]) {
      const line = Math.round(y(top * share)) + 0.5;
      context.beginPath();
      context.moveTo(box.left, line);
      context.lineTo(box.right, line);
      context.stroke();
      context.textAlign = 'left';
      if (share) context.fillText(this.show(top * share), box.left, line - 3);
    }
    context.fillText(`${this.seconds >= 120 ? `${this.seconds / 60} min` : `${this.seconds} s`} ago`, box.left, box.bottom + 14);
    context.textAlign = 'right';
    context.fillText('now', box.right, box.bottom + 14);
  }

  #values(at, context, box, x, y) {
    this.when.textContent = at === null ? '' : `${Math.max(0, Math.round(box ? this.#ago(at) : 0))} s ago`;
    const cells = this.legend.querySelectorAll('.number');
    const swatches = this.legend.querySelectorAll('.swatch');
    this.#lines.forEach(({ name, series }, n) => {
      let index = series.times.length - 1;
      if (at !== null) while (index > 0 && series.times[index] > at) index -= 1;
      const value = series.values[index];
      if (cells[n]) cells[n].textContent = value === undefined ? '–' : this.show(value);
      if (swatches[n]) swatches[n].style.background = colours()[n % 8];
      if (at === null || value === undefined || this.#hidden.has(name)) return;
      context.fillStyle = colours()[n % 8];
      context.beginPath();
      context.arc(x(series.times[index]), y(value), 3, 0, 7);
      context.fill();
    });
    if (at === null) return;
    context.strokeStyle = token('--line-strong');
    context.beginPath();
    context.moveTo(x(at), box.top);
    context.lineTo(x(at), box.bottom);
    context.stroke();
  }

  #ago(at) {
    return Math.max(...this.#lines.map(({ series }) => series.times.at(-1) ?? 0), 0) - at;
  }
}
