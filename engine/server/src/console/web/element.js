// The panel of one element: picture, live video, state, properties, numbers, events.

import { request, words } from './api.js';
import { elementTypes, kindOf } from './catalog.js';
import { button, fill, h, icon, say } from './dom.js';
import { EventList } from './events.js';
import { report } from './notices.js';
import { play } from './peer.js';
import { amount, bits, format, state, value } from './words.js';

export class ElementPanel {
  #picture = null;
  #player = null;

  constructor(feed, id, pictures, onclose) {
    this.feed = feed;
    this.id = id;
    this.pictures = pictures;
    this.badge = h('span.badge', { hidden: true });
    this.trouble = h('div.notice.bad', { hidden: true });
    this.screen = h('div.screen', { hidden: true });
    this.facts = h('dl.facts');
    this.properties = h('dl.facts');
    this.numbers = h('dl.facts');
    this.events = new EventList(feed, id);
    this.type = h('a.quiet');
    this.element = h('div.card.pad.inspect', {},
      h('div.row.apart', {}, h('div', {}, h('h2', {}, id), this.type),
        button('small', 'close', undefined, onclose, { 'aria-label': 'Close (Esc)' })),
      this.badge, this.trouble, this.screen,
      h('section', {}, h('h3', {}, 'What flows'), this.numbers),
      h('section', {}, h('h3', {}, 'In the plan'), this.facts),
      h('section', {}, h('h3', {}, 'Properties'), this.properties),
      h('section', {}, h('h3', {}, 'Events'), this.events.element));
    this.listeners = [['graph', () => this.#plan()], ['stats', () => this.#stats()], ['event', () => this.#state()]];
    for (const [name, listener] of this.listeners) feed.addEventListener(name, listener);
    this.#plan();
    elementTypes().then((types) => {
      this.descriptor = types.get(this.node?.type);
      this.#plan();
    }).catch(() => {});
  }

  get node() {
    return this.feed.node(this.id);
  }

  close() {
    this.#picture?.stop();
    this.#player?.close();
    this.events.close();
    for (const [name, listener] of this.listeners) this.feed.removeEventListener(name, listener);
  }

  #plan() {
    const { node } = this;
    if (!node) {
      if (this.feed.plan) fill(this.facts, nothing('It is not in the graph any more.'));
      return;
    }
    fill(this.type, node.type);
    this.type.href = `#/elements/${node.type}`;
    const domain = this.feed.plan.domains.find((d) => d.id === node.domain);
    const transcodes = Object.values(this.feed.plan.links).filter((l) => l.from.node === this.id)
      .map((l) => [`to ${l.to.node}, ${l.medium}`, l.why]);
    const facts = [
      ['failure domain', domain ? `${domain.id} (${domain.nodes.join(', ')})` : 'none: nothing feeds it yet'],
      ['if it fails', String(node.on_error).replaceAll('-', ' ')],
      ['inside', node.parts.map((part) => part.factory).join(', ') || node.factory],
      ...transcodes,
    ];
    fill(this.facts, facts.map(([name, what]) => [h('dt', {}, name), h('dd', {}, what)]));
    this.#drawProperties(node);
    this.#screen();
    this.#stats();
    this.#state();
  }

  #drawProperties(node) {
    const given = Object.entries(node.properties ?? {});
    const text = JSON.stringify([given, Boolean(this.descriptor)]);
    if (text === this.shownProperties || this.properties.contains(document.activeElement)) return;
    this.shownProperties = text;
    const live = (this.descriptor?.properties ?? []).filter((p) => p.live);
    const fixed = given.filter(([name]) => !live.some((p) => p.name === name));
    fill(this.properties,
      live.map((p) => [h('dt', { title: p.summary }, p.name.replaceAll('_', ' ')), h('dd', {}, this.#field(p, node.properties[p.name] ?? p.default))]),
      fixed.map(([name, what]) => [h('dt', {}, name.replaceAll('_', ' ')), h('dd', {}, value(what))]),
      !live.length && !fixed.length && nothing('All as by default.'));
  }

  /** A field for a property that may change while media flows. */
  #field(property, now) {
    const label = { 'aria-label': `${property.name}: ${property.summary}`, title: `${property.summary} (${kindOf(property.kind)})` };
    const send = async (next) => {
      const path = ['/api/v1/pipelines', encodeURIComponent(this.feed.id), 'elements', encodeURIComponent(this.id), 'properties', property.name];
      try {
        await request('PUT', path.join('/'), { body: JSON.stringify(next), type: 'application/json' });
        this.feed.refresh().catch(() => {});
      } catch (error) {
        report(error, `${this.id}.${property.name}`);
        this.shownProperties = '';
        this.#drawProperties(this.node);
      }
    };
    switch (property.kind.type) {
      case 'bool': {
        const box = h('input', { type: 'checkbox', checked: Boolean(now), onchange: () => send(box.checked), ...label });
        return box;
      }
      case 'enum': {
        const select = h('select', { onchange: () => send(select.value), ...label }, property.kind.values.map((v) => h('option', { value: v }, v)));
        select.value = now ?? '';
        return select;
      }
      case 'integer':
      case 'number': {
        const { min, max } = property.kind;
        const sane = (n) => (Math.abs(n) > 1e12 ? undefined : n);
        const field = h('input', {
          type: 'number', min: sane(min), max: sane(max), step: property.kind.type === 'integer' ? 1 : 'any', value: now ?? '',
          onchange: () => field.value !== '' && field.checkValidity() && send(Number(field.value)), ...label,
        });
        return field;
      }
      case 'string': {
        const field = h('input', { type: 'text', value: now ?? '', onchange: () => send(field.value), ...label });
        return field;
      }
      case 'map': {
        const text = JSON.stringify(now ?? {});
        const field = h('input', { type: 'text', value: text, ...label });
        field.onchange = () => {
          let next;
          try {
            next = JSON.parse(field.value || '{}');
          } catch (error) {
            return report(error, `${this.id}.${property.name}`);
          }
          return send(next);
        };
        return field;
      }
      default: return value(now);
    }
  }

  #state() {
    const { node } = this;
    if (!node) return;
    const trouble = this.feed.troubles.get(this.id);
    this.trouble.hidden = !trouble;
    if (trouble) fill(this.trouble, [trouble.reason, trouble.consequence].filter(Boolean).join('; '));
    this.badge.hidden = node.role !== 'endpoint';
    const [look, word] = state(this.feed.peers.get(this.id) ?? 'new');
    this.badge.className = `badge ${look}`;
    say(this.badge, `peer ${word}`);
  }

  #stats() {
    const { history } = this.feed;
    const { node } = this;
    const element = history.stats?.elements?.[this.id];
    if (!element) {
      fill(this.numbers, nothing('Nothing yet.'));
      return;
    }
    const rows = [];
    for (const [side, ports] of [['in', element.inputs], ['out', element.outputs]]) {
      for (const [port, numbers] of Object.entries(ports)) {
        const name = `${side} ${this.id}.${port}`;
        // Ports that nothing ever went through say so by not being there.
        if (!numbers.frames) continue;
        const made = this.feed.plan?.hubs?.[`${this.id}.${port}`]?.produces ?? [];
        const raw = side === 'in' ? node?.role === 'filter' : made.length > 0 && made.every((one) => one.startsWith('raw'));
        const rate = [`${amount(history.last(`fps ${name}`))} /s`, !raw && bits(history.last(`bits ${name}`))].filter(Boolean).join(', ');
        rows.push([`${port} ${side}`, `${rate}; ${amount(numbers.frames)} so far`]);
      }
    }
    for (const [port, hub] of Object.entries(element.hubs)) {
      const made = [['decoders', 'decoder'], ['encoders', 'encoder']].filter(([key]) => hub[key]).map(([key, what]) => `${hub[key]} ${what}${hub[key] > 1 ? 's' : ''}`);
      if (element.outputs[port]?.frames) rows.push([`hub of ${port}`, made.length ? made.join(', ') : 'packets pass untouched']);
    }
    for (const [name, number] of Object.entries(element.own)) {
      const nanos = /-ns(-|$)/.test(name);
      rows.push([name.replace(/-ns(?=-|$)/, '').replaceAll('-', ' '), nanos ? `${amount(number / 1e6)} ms` : amount(number)]);
    }
    const names = rows.map(([name]) => name).join('\n');
    if (names !== this.shownNumbers) {
      this.shownNumbers = names;
      fill(this.numbers, rows.map(([name]) => [h('dt', {}, name), h('dd', {})]));
      if (!rows.length) fill(this.numbers, nothing('Nothing yet.'));
    }
    if (!rows.length) return;
    this.numbers.querySelectorAll('dt + dd').forEach((cell, n) => say(cell, rows[n][1]));
  }

  /** The picture of the first video output, and the button that plays it. */
  #screen() {
    const hubs = Object.values(this.feed.plan.hubs).filter((hub) => hub.output.node === this.id);
    const video = hubs.find((hub) => hub.medium === 'video') ?? (this.descriptor?.ports.some((p) => p.direction === 'output' && p.medium === 'video')
      ? { output: { node: this.id, port: this.descriptor.ports.find((p) => p.direction === 'output' && p.medium === 'video').name }, produces: [] } : null);
    if (!video || this.#picture) return;
    const image = h('img', { alt: `What ${this.id} shows now` });
    const note = h('p.quiet.center', {}, 'Waiting for a picture …');
    const watch = button('small', 'play', 'Play live', () => this.#play(image, watch, note));
    this.screen.hidden = false;
    fill(this.screen, h('div.shotframe', {}, image, note), h('div.row.apart', {}, h('span.quiet', {}, video.produces.map(format).join(' or ')), watch));
    this.#picture = this.pictures.watch(this.id, video.output.port, (address) => {
      image.src = address;
      note.hidden = true;
    }, (error) => {
      if (!image.src) say(note, error.status === 404 ? 'No picture.' : words(error));
    });
  }

  async #play(image, watch, note) {
    if (this.#player) {
      this.#player.close();
      this.#player = null;
      return;
    }
    const video = h('video', { autoplay: true, playsinline: true, muted: true, controls: true, 'aria-label': `Live: ${this.id}` });
    const over = () => {
      video.replaceWith(image);
      fill(watch, icon('play'), h('span', {}, 'Play live'));
      this.#player = null;
    };
    fill(watch, icon('stop'), h('span', {}, 'End'));
    image.replaceWith(video);
    note.hidden = true;
    try {
      this.#player = await play(`/whep/${encodeURIComponent(this.feed.id)}/${encodeURIComponent(this.id)}`, { onclose: over });
      video.srcObject = this.#player.stream;
    } catch (error) {
      over();
      report(error, `Playing ${this.id}`);
    }
  }
}

/** A row of a list that has none. */
function nothing(text) {
  return [h('dt', {}, text), h('dd', {})];
}
