// What a page sees: every frame of a stream, its number, and its pixels.

import { Reader } from './cells.js';
import { age } from './sources.js';

/** Plays a stream and looks at each frame that is shown. */
export class Watch {
  #reader = new Reader();
  #waiting = [];
  #stopped = false;

  constructor(stream, { inspect = null } = {}) {
    this.video = document.createElement('video');
    Object.assign(this.video, { muted: true, autoplay: true, playsInline: true, srcObject: stream });
    document.body.append(this.video);
    this.video.play().catch(() => {});
    /** When the first frame was shown, milliseconds since the page was made. */
    this.first = null;
    this.frames = 0;
    /** Numbers that were read, in order, and how old each was: [value, milliseconds]. */
    this.numbers = [];
    this.unread = 0;
    /** What `inspect` made of the frames. */
    this.notes = [];
    this.inspect = inspect;
    this.#next();
  }

  #next() {
    this.video.requestVideoFrameCallback((_, facts) => {
      if (this.#stopped) return;
      const now = performance.now();
      this.first ??= now;
      this.frames++;
      const value = this.#reader.read(this.video);
      if (value === null) this.unread++;
      else this.numbers.push([value, age(value, now)]);
      if (this.inspect) this.notes.push(this.inspect(this.video, value));
      this.width = facts.width;
      this.height = facts.height;
      this.#waiting = this.#waiting.filter(({ met, resolve }) => !(met(this) && (resolve(), true)));
      this.#next();
    });
  }

  /** Resolves as soon as `met(watch)` holds after a frame. */
  until(met) {
    if (met(this)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ met, resolve }));
  }

  /** Resolves after so many more frames. */
  more(count) {
    const wanted = this.frames + count;
    return this.until((watch) => watch.frames >= wanted);
  }

  /** What was seen, as plain data. */
  seen() {
    const ages = this.numbers.map(([, ms]) => ms).sort((a, b) => a - b);
    return {
      first: this.first,
      frames: this.frames,
      unread: this.unread,
      numbers: this.numbers.length,
      median_age: ages[Math.floor(ages.length / 2)] ?? null,
      p90_age: ages[Math.floor(ages.length * 0.9)] ?? null,
      width: this.width ?? 0,
      height: this.height ?? 0,
    };
  }

  /** Forgets what was seen so far, so that a later stretch is measured alone. */
  forget() {
    this.numbers = [];
    this.notes = [];
    this.frames = 0;
    this.unread = 0;
  }

  /** Mean colour of a region given in parts of the picture: [red, green, blue]. */
  colour(region = { x: 0.4, y: 0.3, w: 0.2, h: 0.2 }) {
    const { data } = pixels(this.video, region);
    const sum = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
    return sum.map((s) => Math.round(s / (data.length / 4)));
  }

  stop() {
    this.#stopped = true;
    this.video.srcObject = null;
    this.video.remove();
  }
}

let scratch;

/** The pixels of a region of the frame that is shown now, RGBA. */
export function pixels(video, { x = 0, y = 0, w = 1, h = 1 } = {}) {
  const [width, height] = [video.videoWidth, video.videoHeight];
  const box = [Math.round(x * width), Math.round(y * height), Math.round(w * width), Math.round(h * height)];
  scratch ??= new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  if (scratch.canvas.width < box[2]) scratch.canvas.width = box[2];
  if (scratch.canvas.height < box[3]) scratch.canvas.height = box[3];
  scratch.drawImage(video, ...box, 0, 0, box[2], box[3]);
  return scratch.getImageData(0, 0, box[2], box[3]);
}

/** Where the hat's red ribbon is: number of pixels and their middle, in pixels of the frame. */
export function ribbon(video) {
  // Above the cells only.
  const { data, width } = pixels(video, { h: 0.94 });
  let [count, sumX, sumY] = [0, 0, 0];
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
    if (r > 120 && r > g * 2.4 && r > b * 1.7) {
      const pixel = i / 4;
      count++;
      sumX += pixel % width;
      sumY += Math.floor(pixel / width);
    }
  }
  return { count, x: count ? sumX / count : 0, y: count ? sumY / count : 0 };
}
