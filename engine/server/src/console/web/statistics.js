// The tab with plots, and the strip of the most important numbers.

import { fill, h, say } from './dom.js';
import { serverFeed } from './feed.js';
import { Plot, Spark } from './plot.js';
import { Series } from './series.js';
import { amount, bits, bytes, fps, millis, percent } from './words.js';

/** Lines that one plot shows at most. */
const LINES = 8;

/** The sum of series over the same times. */
function total(all) {
  const sum = new Series();
  const [first] = all.filter((series) => series.times.length).sort((a, b) => b.times.length - a.times.length);
  if (!first) return sum;
  first.times.forEach((time) => {
    let value = 0;
    for (const series of all) {
      const n = series.times.lastIndexOf(time);
      if (n >= 0) value += series.values[n];
    }
    sum.push(time, value);
  });
  return sum;
}

/** The greatest of series at the same times. */
function greatest(all) {
  const most = new Series();
  const [first] = all.filter((series) => series.times.length).sort((a, b) => b.times.length - a.times.length);
  first?.times.forEach((time) => {
    const values = all.map((series) => series.values[series.times.lastIndexOf(time)]).filter((v) => v !== undefined);
    most.push(time, Math.max(...values));
  });
  return most;
}

/** Encoded outputs and raw ones: the bit rate of raw media would hide all others. */
function outputs(feed) {
  return Object.entries(feed.plan?.hubs ?? {}).map(([name, hub]) => ({ name, medium: hub.medium, raw: hub.produces.length > 0 && hub.produces.every((f) => /^raw/.test(f)) }));
}

const linksOf = (feed) => Object.keys(feed.plan?.links ?? {});

/** The strip of numbers with small lines. */
export class Strip {
  constructor(feed) {
    this.feed = feed;
    this.cells = [
      ['Frames a second', () => {
        const all = outputs(feed).filter((o) => o.medium === 'video').map((o) => feed.history.get(`fps out ${o.name}`));
        return [greatest(all), (v) => amount(v), 'Of the video output that has most'];
      }],
      ['Bit rate', () => {
        const links = Object.values(feed.plan?.links ?? {}).filter((link) => !feed.isRaw(link));
        return [total(links.map((link) => feed.history.get(`bits link ${link.id}`))), bits, 'Of encoded media between failure domains'];
      }],
      ['Lost frames', () => [feed.history.get('drops'), () => amount(feed.history.dropped ?? 0), 'On all links and in all hubs, so far']],
      ['Waiting', () => [greatest(linksOf(feed).map((id) => feed.history.get(`fill ${id}`))), millis, 'Media in the fullest queue']],
      ['Processors', () => [serverFeed.cpu, percent, 'Of the whole server; 100 % is one processor']],
      ['Memory', () => [serverFeed.memory, bytes, 'Of the whole server']],
    ].map(([name, ask]) => {
      const number = h('span.number', {}, '–');
      const spark = new Spark(`${name} over the last minute`);
      return { ask, number, spark, element: h('div.cell', {}, h('span.quiet', {}, name), number, spark.canvas) };
    });
    this.element = h('section.card.strip', { 'aria-label': 'Numbers now' }, this.cells.map((cell) => cell.element));
    this.onstats = () => this.update();
    feed.addEventListener('stats', this.onstats);
    this.unlisten = serverFeed.listen(this.onstats);
    this.onstats();
  }

  update() {
    for (const { ask, number, spark, element } of this.cells) {
      const [series, show, what] = ask();
      say(number, series.last === undefined ? '–' : show(series.last));
      element.title = what;
      if (spark.canvas.isConnected) spark.draw(series);
    }
  }

  close() {
    this.unlisten();
    this.feed.removeEventListener('stats', this.onstats);
  }
}

/** The tab with the large plots. */
export class Statistics {
  constructor(feed) {
    this.feed = feed;
    const { history } = feed;
    const lines = (names, prefix, label = (name) => name) =>
      names.map((name) => ({ name: label(name), series: history.get(prefix + name) })).filter((l) => l.series.times.length);
    const busiest = (all) => all.sort((a, b) => (b.series.last ?? 0) - (a.series.last ?? 0)).slice(0, LINES)
      .sort((a, b) => a.name.localeCompare(b.name));
    const of = (test) => outputs(feed).filter(test).map((o) => o.name);
    this.range = h('select', { 'aria-label': 'Time shown', onchange: () => this.update() },
      [[60, '1 minute'], [180, '3 minutes'], [600, '10 minutes']].map(([v, t]) => h('option', { value: v }, t)));
    this.plots = [
      [new Plot('Frames a second', fps, { note: 'What video outputs produce' }),
        () => lines(of((o) => o.medium === 'video'), 'fps out ')],
      [new Plot('Bit rate', bits, { note: 'Of encoded outputs' }), () => lines(of((o) => !o.raw), 'bits out ')
        .filter((l) => (l.series.last ?? 0) < 50e6)],
      [new Plot('Frames lost a second', amount, { note: 'On links and in output hubs' }), () => [
        ...lines(linksOf(feed), 'drops link '), ...lines(history.names('drops hub '), 'drops hub ', (name) => `hub of ${name}`),
      ].filter((l, n, all) => l.series.values.some((v) => v > 0) || (all.every((o) => !o.series.last) && n < 3))],
      [new Plot('Queue fill', millis, { note: 'Media that waits on links between failure domains' }), () => busiest(lines(linksOf(feed), 'fill '))],
      [new Plot('Latency of links', millis, { note: 'How long a frame waits, moving average' }), () => busiest(lines(linksOf(feed), 'wait '))],
      [new Plot('Processing', millis, { note: 'Of a frame in a filter, average' }), () => history.names('own ')
        .filter((name) => /processing-ns-average$/.test(name))
        .map((name) => ({ name: name.split(' ')[0], series: inMillis(history.get(`own ${name}`)) }))],
      [new Plot('Round trip', millis, { note: 'To the peers of WebRTC elements' }), () => history.names('own ')
        .filter((name) => /(^|[ -])(rtt|round-trip)[^ ]*$/.test(name))
        .map((name) => ({ name: name.replace(/ .*/, ''), series: history.get(`own ${name}`) }))],
      [new Plot('Processors', percent, { note: 'Of the whole server; 100 % is one processor' }), () => [{ name: 'server', series: serverFeed.cpu }]],
      [new Plot('Memory', bytes, { note: 'Of the whole server' }), () => [{ name: 'server', series: serverFeed.memory }]],
    ];
    this.grid = h('div.plots', {}, this.plots.map(([plot]) => plot.element));
    this.element = h('div', {}, h('div.row.filters', {}, h('label.row', {}, h('span.quiet', {}, 'Show the last'), this.range)),
      this.grid, this.table = h('section.card.pad.scroll', { 'aria-label': 'All numbers' }));
    this.listener = () => this.update();
    feed.addEventListener('stats', this.listener);
    document.addEventListener('theme', this.listener);
    this.unlisten = serverFeed.listen(this.listener);
    this.observer = new ResizeObserver(this.listener);
    this.observer.observe(this.grid);
    this.update();
  }

  update() {
    const seconds = Number(this.range.value);
    for (const [plot, ask] of this.plots) {
      const lines = ask();
      // An empty plot says nothing; those that every pipeline has stay, so that the page does not jump.
      plot.element.hidden = !lines.length && ['Processing', 'Round trip'].includes(plot.title);
      plot.update(lines, seconds);
    }
    this.#numbers();
  }

  #numbers() {
    const { stats } = this.feed.history;
    if (!stats) return;
    const rows = Object.values(this.feed.plan?.links ?? {}).filter((link) => !link.absent).map((link) => {
      const numbers = stats.links?.[link.id];
      const flow = this.feed.history.flow(link);
      return [link.id, numbers ? amount(numbers.frames) : amount(stats.elements?.[link.to.node]?.inputs?.[link.to.port]?.frames),
        amount(flow.fps), this.feed.isRaw(link) ? 'raw' : bits(flow.bits), numbers ? amount(numbers.dropped) : '–', numbers ? millis(numbers.fill_ms) : '–',
        numbers ? millis(numbers.latency_ms) : '–'];
    });
    const head = ['Link', 'Frames', 'a second', 'Bit rate', 'Lost', 'Waiting', 'Latency'];
    const body = this.table.querySelector('tbody');
    if (!body || body.rows.length !== rows.length) {
      fill(this.table, h('h2.minor', {}, 'Links'), h('table.numbers', {},
        h('thead', {}, h('tr', {}, head.map((name) => h('th', { scope: 'col' }, name)))),
        h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, n) => h(n ? 'td' : 'th', n ? {} : { scope: 'row' }, cell)))))));
      return;
    }
    rows.forEach((cells, y) => cells.forEach((cell, x) => say(body.rows[y].cells[x], String(cell))));
  }

  close() {
    this.observer.disconnect();
    this.unlisten();
    this.feed.removeEventListener('stats', this.listener);
    document.removeEventListener('theme', this.listener);
  }
}

function inMillis(series) {
  const scaled = new Series();
  scaled.times = series.times;
  scaled.values = series.values.map((v) => v / 1e6);
  return scaled;
}
