// What the server says again and again: asked for while somebody looks, and not otherwise.

import * as api from './api.js';
import { History, Series } from './series.js';

/** Events that are kept for a pipeline. */
const EVENTS_KEPT = 1000;

/** Asks at an interval while the page is visible. `ask` may throw; then the next time comes later. */
class Poll {
  #timer = 0;
  #running = false;
  #failures = 0;

  constructor(ask, interval) {
    this.ask = ask;
    this.interval = interval;
    this.stopped = false;
    this.onvisible = () => { if (!document.hidden) this.now(); };
    document.addEventListener('visibilitychange', this.onvisible);
    this.now();
  }

  async now() {
    clearTimeout(this.#timer);
    if (this.stopped || this.#running) return;
    this.#running = true;
    try {
      if (!document.hidden) await this.ask();
      this.#failures = 0;
    } catch {
      this.#failures = Math.min(this.#failures + 1, 4);
    }
    this.#running = false;
    if (!this.stopped) this.#timer = setTimeout(() => this.now(), this.interval * (1 + this.#failures));
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.onvisible);
  }
}

/** The server's own numbers, shared by all views. */
class ServerFeed {
  #listeners = new Set();
  #poll = null;
  cpu = new Series();
  memory = new Series();
  last = null;

  /** Calls back with every answer; gives a function that ends it. */
  listen(callback) {
    this.#listeners.add(callback);
    if (this.last) callback(this.last);
    this.#poll ??= new Poll(() => this.#ask(), 2000);
    return () => this.#listeners.delete(callback);
  }

  now() {
    this.#poll?.now();
  }

  async #ask() {
    try {
      const answer = await api.server();
      const time = Date.now() / 1000;
      const before = this.last;
      Object.assign(answer, answer.process);
      const used = answer.cpu_seconds;
      if (used !== undefined && before?.cpu_seconds !== undefined && time > before.time) {
        answer.cpu = 100 * (used - before.cpu_seconds) / (time - before.time);
        this.cpu.push(time, answer.cpu);
      }
      if (answer.memory !== undefined) this.memory.push(time, answer.memory);
      this.last = { ...answer, time };
    } catch (error) {
      // Without the right to see this there is simply nothing in the corner.
      this.last = { lost: error.status === 0 };
      throw error;
    } finally {
      for (const callback of this.#listeners) callback(this.last);
    }
  }
}

export const serverFeed = new ServerFeed();

/** The list of pipelines. */
export function pipelinesFeed(callback) {
  return new Poll(async () => {
    try {
      callback(await api.pipelines());
    } catch (error) {
      callback(null, error);
      throw error;
    }
  }, 2000);
}

/** The plan without what the server added to make pictures. */
function without(plan, added) {
  const keep = (id) => !added.includes(id);
  const some = (all, test) => Object.fromEntries(Object.entries(all).filter(([, one]) => test(one)));
  return {
    ...plan,
    nodes: some(plan.nodes, (node) => keep(node.id)),
    links: some(plan.links, (link) => keep(link.from.node) && keep(link.to.node)),
    domains: plan.domains.filter((domain) => keep(domain.id)),
  };
}

/**
 * One pipeline: 'info', 'graph', 'stats', 'event', 'stream' and 'gone' are dispatched when there is something new.
 */
export class PipelineFeed extends EventTarget {
  history = new History();
  events = [];
  info = null;
  plan = null;
  stream = 'lost';
  /** Transcodes that run now, by who gets them. */
  transcodes = new Map();
  /** What is wrong with elements now, by their ids. */
  troubles = new Map();
  /** States of the peers of endpoints, by their ids. */
  peers = new Map();
  #abort = new AbortController();
  #polls = [];
  #asking = 0;

  constructor(id) {
    super();
    this.id = id;
    this.#polls.push(new Poll(() => this.#stats(), 1000), new Poll(() => this.refresh(), 5000));
    api.events(id, (event) => this.#event(event), (state) => {
      this.stream = state;
      this.#tell('stream');
      if (state === 'lost') this.refresh().catch(() => {});
    }, this.#abort.signal);
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }

  async #guarded(work) {
    try {
      return await work();
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#tell(error.status === 404 ? 'gone' : 'trouble', error);
      throw error;
    }
  }

  async #stats() {
    if (this.info?.state === 'stopped' && this.history.stats) return;
    const stats = await this.#guarded(() => api.stats(this.id));
    // The pipeline's own clock, so that a slow answer does not look like a change of rate.
    this.history.take(stats, stats.elapsed || Date.now() / 1000);
    this.#tell('stats');
  }

  /** Asks for state and graph now. */
  async refresh() {
    const mine = ++this.#asking;
    const info = await this.#guarded(() => api.pipeline(this.id));
    if (mine !== this.#asking || this.#abort.signal.aborted) return;
    this.info = info;
    this.#tell('info');
    const plan = without(info.plan, info.pictures ?? []);
    const text = JSON.stringify(plan);
    if (text !== this.planText) {
      this.planText = text;
      this.plan = plan;
      this.#tell('graph');
    }
  }

  /** Whether the server added that element, or had added it, to make a picture. */
  #isHelper(id = '') {
    return this.info?.pictures?.includes(id) || (/-picture-\d+$/.test(id) && !this.plan?.nodes[id]);
  }

  /** Whether an event is about nothing but pictures for this page. */
  #isOwn({ event, element, consumer, steps }) {
    const words = (step) => step.split(/[^\w-]+/);
    return this.#isHelper(element) || this.#isHelper(consumer)
      || (event === 'graph-changed' && steps.length > 0 && steps.every((step) => words(step).some((id) => this.#isHelper(id))));
  }

  #event(event) {
    if (this.#isOwn(event)) return;
    this.events.push(event);
    if (this.events.length > EVENTS_KEPT) this.events.splice(0, this.events.length - EVENTS_KEPT);
    this.#learn(event);
    this.#tell('event', event);
    if (['state-changed', 'graph-changed', 'element-failed', 'element-restarted'].includes(event.event)) {
      this.refresh().catch(() => {});
    }
  }

  /** What an event says about how things are now. */
  #learn(event) {
    const { element, event: kind, name } = event;
    if (kind === 'transcoding-started') this.transcodes.set(`${element} ${event.consumer} ${event.to}`, event);
    if (kind === 'transcoding-stopped') this.transcodes.delete(`${element} ${event.consumer} ${event.to}`);
    if (kind === 'element-failed' || kind === 'filter-trouble') this.troubles.set(element, event);
    if (kind === 'not-served') this.troubles.set(event.consumer, event);
    if (['element-restarted', 'filter-recovered'].includes(kind)) this.troubles.delete(element);
    if (kind === 'transcoding-started') this.troubles.delete(event.consumer);
    if (kind === 'element' && name === 'peer-state') this.peers.set(element, event.data.state);
  }

  /** Whether raw media goes through this link: its bit rate says nothing. */
  isRaw(link) {
    return /^raw/i.test(this.transcode(link)?.to ?? '') || link.service?.kind === 'decode' || this.plan?.nodes[link.to.node]?.role === 'filter';
  }

  /** The transcode that runs for this link, if one does. */
  transcode(link) {
    for (const found of this.transcodes.values()) {
      const medium = /raw audio|raw-audio|opus|vorbis|aac|mp3|flac|pcm|g\.711/i.test(found.from) ? 'audio' : 'video';
      if (found.element === link.from.node && found.consumer === link.to.node && medium === link.medium) return found;
    }
    return undefined;
  }

  /** The element of that id in the plan. */
  node(id) {
    return this.plan?.nodes?.[id];
  }

  close() {
    this.#abort.abort();
    for (const poll of this.#polls) poll.stop();
  }
}
