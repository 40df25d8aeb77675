// A pipeline's events, newest first, with their reasons.

import { button, fill, h, icon } from './dom.js';
import { inline } from './markdown.js';
import { count, value } from './words.js';

/** Rows on the page. */
const SHOWN = 300;

/** An event in words: look, kind, text and what is behind it. */
export function tell(event) {
  const { event: kind } = event;
  const transcode = () => {
    const parts = [event.decoder, event.encoder].filter(Boolean).join(', then ');
    return `${event.from} → ${event.to} for ${event.consumer}${parts ? ` with ${parts}` : ''}`;
  };
  switch (kind) {
    case 'state-changed': return ['', 'state', `The pipeline is ${event.state}.`];
    case 'element-failed': return ['bad', 'failure', sentence(event.reason), `${sentence(event.consequence)}\n${event.detail}`];
    case 'element-restarted': return ['warn', 'restart', `Built anew, attempt ${event.attempt}.`];
    case 'warning': return ['warn', 'warning', sentence(event.reason), event.detail];
    case 'end-of-stream': return ['', 'end', 'All media has passed.'];
    case 'transcoding-started': return ['', 'transcode', `Started: ${transcode()}.`, event.reason];
    case 'transcoding-stopped': return ['', 'transcode', `Stopped: ${transcode()}.`, event.reason];
    case 'not-served': return ['warn', 'not served', `${event.consumer} gets nothing: ${event.reason}`];
    case 'frames-dropped': return ['warn', 'drops', `${count(event.count, 'frame')} lost: ${event.reason}`];
    case 'filter-trouble': return ['bad', 'filter', sentence(event.reason), `${sentence(event.consequence)}\n${event.detail}`];
    case 'filter-recovered': return ['good', 'filter', 'Works again.', event.detail];
    case 'graph-changed': return event.steps.length === 1 ? ['', 'change', sentence(event.steps[0])]
      : ['', 'change', `The graph was changed in ${count(event.steps.length, 'step')}.`, event.steps.join('\n')];
    case 'events-lost': return ['warn', 'events', `${count(event.count, 'event')} lost: this page was too slow.`];
    case 'element': return ['', event.name, ...own(event.name, event.data)];
    default: return ['', kind, pairs(event)];
  }
}

/** Elements' own events; those of WebRTC peers in words. */
function own(name, data) {
  const tracks = (all = []) => all.map((t) => `${t.medium} ${t.format ?? ''} ${t.direction}`).join(', ');
  switch (name) {
    case 'peer-state': return [`The peer is ${data.state}.`, data.reason];
    case 'negotiated': return [`Over ${data.transport}: ${tracks(data.tracks)}.`, data.why];
    case 'candidate-pair': return [`${short(data.local)} ↔ ${short(data.remote)}`];
    case 'ice-state': case 'dtls-state': case 'ice-gathering-state': return [`${data.state}`];
    default: return [pairs(data)];
  }
}

/** Protocol, address, port and kind of an ICE candidate. */
function short(candidate = '') {
  const [, , protocol, , address, port, , kind] = candidate.split(' ');
  return kind ? `${protocol.toLowerCase()} ${address}:${port} (${kind})` : candidate;
}

function sentence(text = '') {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return !first || /[.!?]$/.test(first) ? first : `${first}.`;
}

function pairs(data) {
  if (data === null || typeof data !== 'object') return value(data ?? '');
  return Object.entries(data).map(([name, one]) => `${name.replaceAll('_', ' ')}: ${shorten(value(one))}`).join(', ');
}

const shorten = (text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);

/** The list of a feed's events. `only`: those of one element, without filters. */
export class EventList {
  #paused = false;
  #missed = 0;
  #frame = 0;

  constructor(feed, only) {
    this.feed = feed;
    this.only = only;
    this.rows = h('ol.events', { 'aria-label': 'Events, newest first' });
    this.kind = h('select', { 'aria-label': 'Kind of event', onchange: () => this.redraw() });
    this.element_ = h('select', { 'aria-label': 'Element', onchange: () => this.redraw() });
    this.text = h('input', {
      type: 'search', placeholder: 'Words in it', 'aria-label': 'Words in the event', 'data-filter': '', oninput: () => this.redraw(),
    });
    this.pause = button('small', 'pause', 'Pause', () => this.togglePause(), { 'aria-pressed': 'false' });
    this.note = h('span.quiet');
    this.element = only
      ? this.rows
      : h('section', {}, h('div.row.filters', {}, this.kind, this.element_, this.text, this.pause, this.note), h('div.card', {}, this.rows));
    this.onevent = ({ detail }) => this.#take(detail);
    feed.addEventListener('event', this.onevent);
    this.redraw();
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.feed.removeEventListener('event', this.onevent);
  }

  togglePause() {
    this.#paused = !this.#paused;
    this.#missed = 0;
    this.pause.setAttribute('aria-pressed', String(this.#paused));
    fill(this.pause, icon(this.#paused ? 'play' : 'pause'), h('span', {}, this.#paused ? 'Go on' : 'Pause'));
    if (!this.#paused) this.redraw();
  }

  #fits(event) {
    if (this.only) return event.element === this.only;
    const kind = this.kind.value;
    const element = this.element_.value;
    const words = this.text.value.trim().toLowerCase();
    return (!kind || kindOf(event) === kind) && (!element || (event.element ?? '') === element)
      && (!words || JSON.stringify(event).toLowerCase().includes(words));
  }

  #take() {
    if (this.#paused) {
      this.#missed += 1;
      fill(this.note, `${count(this.#missed, 'event')} meanwhile`);
      return;
    }
    // A burst is drawn once.
    if (!this.#frame) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.redraw();
      });
    }
  }

  redraw() {
    const { events } = this.feed;
    if (!this.only) {
      choices(this.kind, 'All kinds', events.map(kindOf));
      choices(this.element_, 'All elements', events.map((event) => event.element).filter(Boolean));
      const lost = this.feed.stream === 'lost';
      if (!this.#paused) fill(this.note, lost ? 'The connection is lost; trying again.' : '');
    }
    const some = events.filter((event) => this.#fits(event)).slice(this.only ? -8 : -SHOWN).reverse();
    const had = new Map([...this.rows.children].map((row) => [row.dataset.key, row]));
    const rows = some.map((event) => had.get(keyOf(event)) ?? row(event, this.only));
    if (!rows.length) rows.push(h('li.empty', {}, events.length ? 'None of the events is like this.' : 'Nothing has happened yet.'));
    this.rows.replaceChildren(...rows);
  }
}

const kindOf = (event) => (event.event === 'element' ? event.name : event.event);
const keyOf = (event) => `${event.seq} ${event.time}`;

function choices(select, all, names) {
  const wanted = [...new Set(names)].sort();
  const had = [...select.options].slice(1).map((option) => option.value);
  if (select.options.length && wanted.join('\n') === had.join('\n')) return;
  const { value: chosen } = select;
  fill(select, h('option', { value: '' }, all), wanted.map((name) => h('option', { value: name }, name)));
  select.value = wanted.includes(chosen) ? chosen : '';
}

function row(event, only) {
  const [look, kind, text, more] = tell(event);
  return h(`li.event${look ? `.${look}` : ''}`, { 'data-key': keyOf(event) },
    h('span.time.mono', { title: 'Seconds since the pipeline was created' }, event.time.toFixed(2)),
    h('span.tag', {}, kind),
    !only && h('span.who', {}, event.element ?? ''),
    h('div.what', {}, h('span', {}, inline(text)), more && h('p.quiet.more', {}, inline(more))));
}
