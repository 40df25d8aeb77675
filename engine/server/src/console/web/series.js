// Numbers over time: counters of the statistics become rates.

/** Points that are kept: ten minutes at one a second. */
const KEPT = 600;

/** A number over time: times in seconds, oldest first. */
export class Series {
  times = [];
  values = [];

  push(time, value) {
    this.times.push(time);
    this.values.push(value);
    if (this.times.length > KEPT) {
      this.times.shift();
      this.values.shift();
    }
  }

  get last() {
    return this.values.at(-1);
  }
}

/** The history of one pipeline's statistics. */
export class History {
  #series = new Map();
  #counters = new Map();
  stats = null;

  /** The series of that name; an empty one if it never had a point. */
  get(name) {
    return this.#series.get(name) ?? new Series();
  }

  last(name) {
    return this.#series.get(name)?.last;
  }

  /** Names that begin like this, without the beginning. */
  names(prefix) {
    return [...this.#series.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  set(name, time, value) {
    if (!Number.isFinite(value)) return;
    let series = this.#series.get(name);
    if (!series) this.#series.set(name, series = new Series());
    series.push(time, value);
  }

  #rate(name, time, count, factor = 1) {
    const before = this.#counters.get(name);
    this.#counters.set(name, { time, count });
    // A counter that went back belongs to an element that was built anew.
    if (!before || time <= before.time || count < before.count) return;
    this.set(name, time, (count - before.count) * factor / (time - before.time));
  }

  /** Takes statistics as they are at `time` (seconds, of any clock). */
  take(stats, time) {
    this.stats = stats;
    let drops = 0;
    for (const [id, element] of Object.entries(stats.elements ?? {})) {
      for (const [side, ports] of [['in', element.inputs], ['out', element.outputs]]) {
        for (const [port, numbers] of Object.entries(ports ?? {})) {
          this.#rate(`fps ${side} ${id}.${port}`, time, numbers.frames);
          this.#rate(`bits ${side} ${id}.${port}`, time, numbers.bytes, 8);
        }
      }
      for (const [name, value] of Object.entries(element.own ?? {})) this.set(`own ${id} ${name}`, time, value);
      for (const [port, hub] of Object.entries(element.hubs ?? {})) {
        const lost = hub['frames-dropped'] ?? 0;
        drops += lost;
        this.#rate(`drops hub ${id}.${port}`, time, lost);
      }
    }
    for (const [id, link] of Object.entries(stats.links ?? {})) {
      this.#rate(`fps link ${id}`, time, link.frames);
      this.#rate(`bits link ${id}`, time, link.bytes, 8);
      this.#rate(`drops link ${id}`, time, link.dropped);
      this.set(`fill ${id}`, time, link.fill_ms);
      this.set(`wait ${id}`, time, link.latency_ms);
      drops += link.dropped;
    }
    this.#rate('drops', time, drops);
    this.dropped = drops;
  }

  /** How much flows through a link now, and what it has lost. */
  flow(link) {
    const { id, to } = link;
    const port = `${to.node}.${to.port}`;
    const crosses = this.stats?.links?.[id];
    return {
      fps: this.last(`fps link ${id}`) ?? this.last(`fps in ${port}`),
      bits: this.last(`bits link ${id}`) ?? this.last(`bits in ${port}`),
      frames: crosses?.frames ?? this.stats?.elements?.[to.node]?.inputs?.[to.port]?.frames ?? 0,
      dropped: crosses?.dropped ?? 0,
      dropping: this.last(`drops link ${id}`) ?? 0,
      fill: crosses?.fill_ms,
      wait: crosses?.latency_ms,
    };
  }
}
