// What a page sends: its camera, or a canvas that counts.

import { paint } from './cells.js';

/** Quarter milliseconds since the page was made, 20 bits: what a counting canvas paints. */
export const stamp = () => Math.round(performance.now() * 4) & 0xfffff;
/** How long ago a stamp was painted, milliseconds. */
export const age = (value, now) => (((Math.round(now * 4) - value) & 0xfffff) / 4);

/** The camera, and the microphone if asked for. */
export function camera({ width = 640, height = 480, fps = 30, audio = false } = {}) {
  return navigator.mediaDevices.getUserMedia({
    video: { width: { exact: width }, height: { exact: height }, frameRate: fps },
    audio,
  });
}

/** A picture of grain, larger than `width` x `height`: an encoder spends on it whatever it may. */
function grain(width, height) {
  const canvas = new OffscreenCanvas(width + 64, height + 64);
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < image.data.length; i += 4) {
    const level = 64 + Math.random() * 128;
    image.data.set([level, level, level, 255], i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * A canvas whose every frame says when it was painted (`mode: 'time'`) or its number (`mode: 'count'`), over moving
 * stripes in one colour, over grain, or over a video.
 */
export class Canvas {
  #timer;
  #painted = 0;

  constructor({ width = 640, height = 480, fps = 30, hue = 120, mode = 'time', over = null, noise = false } = {}) {
    this.canvas = document.createElement('canvas');
    Object.assign(this.canvas, { width, height });
    document.body.append(this.canvas);
    this.context = this.canvas.getContext('2d');
    this.hue = hue;
    this.mode = mode;
    this.over = over;
    this.grain = noise ? grain(width, height) : null;
    this.stream = this.canvas.captureStream(0);
    const [track] = this.stream.getVideoTracks();
    this.#frame();
    this.#timer = setInterval(() => {
      this.#frame();
      track.requestFrame();
    }, 1000 / fps);
  }

  get painted() {
    return this.#painted;
  }

  #frame() {
    const { width, height } = this.canvas;
    if (this.over) {
      this.context.drawImage(this.over, 0, 0, width, height);
    } else if (this.grain) {
      this.context.drawImage(this.grain, -Math.random() * 64, -Math.random() * 64);
    } else {
      // Something for the encoder to do: bands that move, in a colour that tells the pages apart.
      const step = (this.#painted * 4) % 80;
      for (let x = -80; x < width; x += 40) {
        this.context.fillStyle = `hsl(${this.hue} 80% ${(x / 40) % 2 ? 40 : 50}%)`;
        this.context.fillRect(x + step, 0, 40, height);
      }
    }
    paint(this.context, this.mode === 'time' ? stamp() : this.#painted);
    this.#painted++;
  }

  stop() {
    clearInterval(this.#timer);
    this.stream.getTracks().forEach((track) => track.stop());
    this.canvas.remove();
  }
}
