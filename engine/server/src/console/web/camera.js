// "Try your camera": a pipeline is made from an example, the browser's camera goes in by WHIP, and what comes out is
// played by WHEP.

import * as api from './api.js';
import { words } from './api.js';
import { button, fill, h, icon, say } from './dom.js';
import { EXAMPLES, example, playback, renamed } from './examples.js';
import { PipelineFeed } from './feed.js';
import { measure } from './latency.js';
import { notify, report } from './notices.js';
import { camera, play, publish } from './peer.js';
import { Plot } from './plot.js';
import { Series } from './series.js';
import { bits, count, fps, millis } from './words.js';

export function show(root, [name]) {
  const kind = EXAMPLES.find((one) => one.name === name);
  return kind ? tryIt(root, kind) : choice(root);
}

function choice(root) {
  root.append(
    h('div.head', {}, h('div.grow', {}, h('h1', {}, 'Try your camera'),
      h('p', {}, 'The browser sends its camera to this server and shows what comes back. Nothing goes anywhere else.'))),
    h('ul.tiles.examples', {}, EXAMPLES.map((one) => h('li', {}, h('a.card.tile', { href: `#/camera/${one.name}` },
      icon(one.icon), h('strong', {}, one.title), h('span.quiet', {}, one.text))))));
  return { title: 'Try your camera', close() {} };
}

function tryIt(root, kind) {
  const run = new Run(kind);
  root.append(
    h('div.crumb', {}, h('a', { href: '#/camera' }, icon('back'), 'Try your camera')),
    h('div.head', {}, h('div.grow', {}, h('div.row', {}, h('h1', {}, kind.title), run.badge), h('p', {}, kind.text)), run.buttons),
    run.trouble, run.element);
  return { title: kind.title, close: () => run.close() };
}

/** One try, from the description to the end. */
class Run {
  #feed = null;
  #stream = null;
  #sending = null;
  #playing = null;
  #timer = 0;
  #turn = 0;
  id = '';

  constructor(kind) {
    this.kind = kind;
    this.badge = h('span.badge', { 'data-state': 'idle' }, 'not started');
    this.start = button('primary', 'play', 'Start', () => this.begin());
    this.stop = button('plain.danger', 'stop', 'Stop', () => this.end(), { hidden: true });
    this.sound = h('input', { type: 'checkbox' });
    this.size = h('select', { 'aria-label': 'Size of the picture' },
      ['640x480', '1280x720', '320x240'].map((v) => h('option', { value: v }, v.replace('x', ' × '))));
    this.buttons = h('div.row', {}, this.options = h('div.row', {}, this.size, h('label.row', {}, this.sound, h('span', {}, 'Sound'))), this.start, this.stop);
    this.trouble = h('div.notice.bad', { hidden: true, role: 'alert' });
    this.mine = h('video', { autoplay: true, playsinline: true, muted: true, 'aria-label': 'Your camera', class: 'mirror' });
    this.shown = h('video', { autoplay: true, playsinline: true, muted: true, 'aria-label': 'What comes back', id: 'returned' });
    this.unmute = h('button.small', { type: 'button', hidden: true, onclick: () => this.#unmute() }, 'Sound on');
    this.full = button('small', 'full', undefined, () => this.shown.requestFullscreen?.(), { 'aria-label': 'Full screen' });
    this.steps = h('ol.steps', { 'aria-live': 'polite' });
    this.numbers = h('dl.numbersgrid');
    this.measure = button('small', null, 'Measure glass to glass', () => this.#measure(), { disabled: true });
    this.glass = h('strong', { id: 'glass' });
    this.links = h('div.links');
    this.delay = new Series();
    this.round = new Series();
    this.rate = new Series();
    this.plot = new Plot('Delay', millis, { note: 'Network round trip, and how long the browser holds a picture before it shows it' });
    this.bitplot = new Plot('Bit rate', bits, { note: 'Of the video that this browser sends and gets' });
    this.rateIn = new Series();
    this.element = h('div', {},
      h('div.screens', {},
        h('div.column.first', {},
          h('figure.card.screenbox', {}, this.mine, h('figcaption', {}, 'Your camera')),
          h('section.card.pad', { 'aria-label': 'Steps' }, h('h2.minor', {}, 'Steps'), this.steps, this.links)),
        h('div.column.main', {},
          h('figure.card.screenbox', {}, this.shown,
            h('figcaption.row.apart', {}, h('span', {}, 'What comes back'), h('span.row', {}, this.unmute, this.full))),
          this.now = h('section.card.pad', { 'aria-label': 'Numbers', hidden: true },
            h('div.row.apart', {}, h('h2.minor', {}, 'Now'), h('div.row', {}, this.glass, this.measure)), this.numbers))),
      this.plots = h('div.plots', { hidden: true }, this.plot.element, this.bitplot.element));
    this.#tell('idle', 'quiet', 'not started');
    fill(this.steps, h('li.quiet', {}, 'Start makes the pipeline, asks for the camera, sends it, and plays what comes back.'));
  }

  #tell(key, look, word) {
    this.badge.dataset.state = key;
    this.badge.className = `badge ${look}`;
    say(this.badge, word);
  }

  #step(text, look = 'busy') {
    const item = h(`li.${look}`, {}, text);
    this.steps.append(item);
    const began = performance.now();
    return (done = text) => {
      item.className = 'good';
      fill(item, h('span', {}, done), h('span.quiet', {}, millis(performance.now() - began)));
    };
  }

  async begin() {
    const mine = ++this.#turn;
    // Whoever leaves or stops meanwhile wants nothing of this any more.
    const current = () => { if (mine !== this.#turn) throw new DOMException('', 'AbortError'); };
    this.start.hidden = this.options.hidden = true;
    this.stop.hidden = false;
    this.trouble.hidden = true;
    fill(this.steps);
    fill(this.links);
    fill(this.glass);
    for (const name of ['delay', 'round', 'rate', 'rateIn']) this[name] = new Series();
    this.#tell('starting', 'busy', 'starting');
    try {
      let done = this.#step('Asking the browser for the camera …');
      const [width, height] = this.size.value.split('x').map(Number);
      const stream = await camera({
        video: { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } },
        audio: this.sound.checked && { echoCancellation: true },
      });
      if (mine !== this.#turn) stream.getTracks().forEach((track) => track.stop());
      current();
      this.#stream = stream;
      this.mine.srcObject = stream;
      done('The camera is on');
      done = this.#step('Making the pipeline …');
      const made = await api.create(renamed(await example(this.kind.file)), { keep: true });
      if (mine !== this.#turn) api.remove(made.id).catch(() => {});
      current();
      this.id = made.id;
      this.#feed = new PipelineFeed(made.id);
      done(`The pipeline ${made.id} runs`);
      this.#drawLinks();
      done = this.#step('Sending the camera …');
      const path = (scheme, element) => `/${scheme}/${encodeURIComponent(made.id)}/${encodeURIComponent(element)}`;
      const sending = await publish(path('whip', this.kind.publish), stream, {
        onstate: (now) => this.#state(now, 'sending'), onclose: () => this.#lost('The server does not receive the camera any more.'),
      });
      if (mine !== this.#turn) sending.close();
      current();
      this.#sending = sending;
      done('The server takes the camera');
      const picture = this.#step('Waiting for the picture …');
      const playing = await play(path('whep', this.kind.play), {
        onstate: (now) => this.#state(now, 'playing'), onclose: () => this.#lost('What comes back has broken off.'),
      });
      if (mine !== this.#turn) playing.close();
      current();
      this.#playing = playing;
      this.shown.srcObject = playing.stream;
      this.unmute.hidden = !this.sound.checked;
      this.shown.requestVideoFrameCallback(() => {
        if (mine !== this.#turn) return;
        picture('The picture is back');
        this.#tell('running', 'good', 'running');
        this.measure.disabled = false;
      });
      this.#timer = setInterval(() => this.#numbers(), 1000);
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.#fail(error);
    }
  }

  #state(now, side) {
    if (now === 'disconnected') this.#tell('interrupted', 'warn', 'interrupted');
    if (now === 'connected' && this.badge.dataset.state === 'interrupted') this.#tell('running', 'good', 'running');
    this[side] = now;
  }

  #lost(text) {
    this.#fail(new Error(text));
  }

  async #fail(error) {
    this.trouble.hidden = false;
    for (const step of this.steps.querySelectorAll('.busy')) step.className = 'bad';
    const refused = error.code === 'not-allowed-by-policy';
    const details = refused ? [] : error.diagnostics?.map((one) => [one.message, one.help].filter(Boolean).join(': ')) ?? [];
    fill(this.trouble, h('p', {}, words(error)), details.length > 0 && h('ul', {}, details.map((text) => h('li', {}, text))),
      refused && h('p', {}, 'A server that may use what the examples need: ', h('code', {}, 'anabranch serve --config pipelines/serve.toml')));
    await this.end();
    this.#tell('failed', 'bad', 'failed');
  }

  #drawLinks() {
    const { id } = this;
    const items = [h('a', { href: `#/pipelines/${id}` }, icon('pipelines'), h('span', {}, 'See the pipeline at work'))];
    fill(this.links, h('div.row', {}, items));
    if (!this.kind.viewers) return;
    const address = `${location.origin}/#/watch/${encodeURIComponent(id)}/${encodeURIComponent(this.kind.viewers)}`;
    const field = h('input', { readonly: true, value: address, 'aria-label': 'Link for viewers', id: 'viewers', onfocus: (e) => e.target.select() });
    const copy = button('small', 'link', 'Copy', async () => {
      try {
        await navigator.clipboard.writeText(address);
        notify('The link is copied.', 'good');
      } catch {
        field.focus();
        notify('Copy the marked link with the keyboard.');
      }
    });
    this.links.append(h('label.field', {}, 'Link for viewers', h('div.row.grow', {}, field, copy)),
      h('p.quiet', {}, 'It works wherever this server can be reached. If the server wants tokens, viewers need one that may play.'));
  }

  async #numbers() {
    const [out, back] = [this.#sending, this.#playing];
    if (!out || !back) return;
    const [sent, got] = await Promise.all([out.measure(), back.measure()]).catch(() => []);
    if (!got || back !== this.#playing) return;
    this.now.hidden = this.plots.hidden = false;
    const time = performance.now() / 1000;
    const round = got.roundTrip ?? sent.roundTrip;
    const held = (got.buffer ?? 0) + (got.decode ?? 0);
    if (got.buffer !== undefined) this.delay.push(time, held);
    if (round !== undefined) this.round.push(time, round);
    if (sent.bits !== undefined) this.rate.push(time, sent.bits);
    if (got.bits !== undefined) this.rateIn.push(time, got.bits);
    const size = (m) => (m.width ? `${m.width} × ${m.height}` : '–');
    const viewers = this.#feed?.info?.sessions?.filter((session) => session.kind === 'play').length ?? 1;
    const rows = [
      ['Sent', `${size(sent)}, ${fps(sent.fps)}, ${bits(sent.bits)}, ${sent.codec ?? '–'}`, 'sent'],
      ['Back', `${size(got)}, ${fps(got.fps)}, ${bits(got.bits)}, ${got.codec ?? '–'}`, 'back'],
      ['Round trip', millis(round), 'round'],
      ['Held and decoded', got.buffer === undefined ? '–' : millis(held), 'held'],
      ['Lost packets', String((got.lost ?? 0)), 'lost'],
      ['Frozen', count(got.freezes ?? 0, 'time'), 'frozen'],
      ...(this.kind.viewers ? [['Viewers', `${viewers - 1} besides you`, 'viewers']] : []),
    ];
    if (this.numbers.children.length !== rows.length * 2) {
      fill(this.numbers, rows.map(([name, , key]) => [h('dt', {}, name), h('dd', { 'data-number': key })]));
    }
    this.numbers.querySelectorAll('dd').forEach((cell, n) => say(cell, rows[n][1]));
    this.plot.update([{ name: 'round trip', series: this.round }, { name: 'held and decoded', series: this.delay }], 60);
    this.bitplot.update([{ name: 'sent', series: this.rate }, { name: 'back', series: this.rateIn }], 60);
  }

  async #measure() {
    this.measure.disabled = true;
    fill(this.glass, 'measuring …');
    try {
      const found = await measure({ sender: this.#sending.videoSender, source: this.mine, shown: this.shown });
      fill(this.glass, found === null ? 'no pattern came back' : millis(Math.round(found)));
    } catch (error) {
      fill(this.glass);
      report(error, 'Measuring');
    }
    this.measure.disabled = !this.#playing;
  }

  #unmute() {
    this.shown.muted = !this.shown.muted;
    say(this.unmute, this.shown.muted ? 'Sound on' : 'Sound off');
  }

  /** Gives everything back: camera, connections, pipeline. */
  async end() {
    this.#turn += 1;
    clearInterval(this.#timer);
    this.measure.disabled = true;
    const farewell = Promise.all([this.#sending?.close(), this.#playing?.close()]);
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.recording = this.kind.recorder && this.#feed?.node(this.kind.recorder)?.properties.location;
    this.#feed?.close();
    this.#sending = this.#playing = this.#stream = this.#feed = null;
    this.mine.srcObject = this.shown.srcObject = null;
    this.stop.hidden = true;
    this.#tell('stopping', 'busy', 'stopping');
    const { id, recording } = this;
    this.id = this.recording = '';
    await this.#giveBack(id, recording, farewell);
    this.start.hidden = this.options.hidden = false;
    this.#tell('idle', 'quiet', 'stopped');
  }

  async #giveBack(id, recording, farewell) {
    if (!id) return;
    fill(this.links);
    try {
      // First the peers, then what they were peers of.
      await farewell;
      const outcome = await api.remove(id);
      if (recording && outcome?.result === 'stopped') this.#recorded(recording);
    } catch (error) {
      if (error.status !== 404) report(error, `Stopping ${id}`);
    }
  }

  /** Says where the recording is, and plays it if somebody wants that. */
  #recorded(file) {
    this.steps.append(h('li.good', {}, h('span', {}, 'The recording is finished: ', h('code', {}, file))));
    fill(this.links, button('plain', 'play', 'Play the recording', () => this.#playBack(file)));
  }

  async #playBack(file) {
    const mine = ++this.#turn;
    this.start.hidden = this.options.hidden = true;
    this.stop.hidden = false;
    this.trouble.hidden = true;
    fill(this.links);
    this.#tell('starting', 'busy', 'starting');
    try {
      const made = await api.create(renamed(playback(file)), { keep: true });
      this.id = made.id;
      if (mine !== this.#turn) throw new DOMException('', 'AbortError');
      const playing = await play(`/whep/${encodeURIComponent(made.id)}/screen`, {
        onclose: () => this.#lost('The recording has broken off.'),
      });
      if (mine !== this.#turn) return playing.close();
      this.#playing = playing;
      this.shown.srcObject = playing.stream;
      this.unmute.hidden = false;
      this.shown.requestVideoFrameCallback(() => this.#tell('playing', 'good', 'playing the recording'));
      fill(this.links, h('a', { href: `#/pipelines/${made.id}` }, icon('pipelines'), h('span', {}, 'See the pipeline at work')));
    } catch (error) {
      if (error.name !== 'AbortError') this.#fail(error);
    }
    return undefined;
  }

  close() {
    if (this.id || this.#stream) this.end();
  }
}

