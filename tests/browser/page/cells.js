// A number in a picture: a row of 24 black and white cells at its lower edge, lowest bit first. 20 bits are the number,
// 4 are a check sum, so that a picture that was scaled, cropped or half repaired is not read as a wrong number.
// The clip with the face carries the same cells (tests/harness/src/browser.rs makes it).

export const CELLS = 24;
const BITS = 20;
// Parts of the picture's height that the row is high.
const HEIGHT = 1 / 20;

function checksum(value) {
  let sum = 0xa;
  for (let i = 0; i < BITS; i += 4) sum ^= (value >> i) & 0xf;
  return sum;
}

/** Paints a number of 20 bits into the lower edge of a canvas. */
export function paint(context, value) {
  const { width, height } = context.canvas;
  const bits = (value & 0xfffff) | (checksum(value & 0xfffff) << BITS);
  const cell = Math.floor(width / CELLS);
  const high = Math.round(height * HEIGHT);
  context.fillStyle = 'black';
  context.fillRect(0, height - high, width, high);
  context.fillStyle = 'white';
  for (let i = 0; i < CELLS; i++) {
    if ((bits >> i) & 1) context.fillRect(i * cell, height - high, cell, high);
  }
}

/** Reads numbers out of the frames of one video; null where there is none. */
export class Reader {
  #context;

  read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    if (!width) return null;
    const high = Math.round(height * HEIGHT);
    if (!this.#context || this.#context.canvas.width !== width || this.#context.canvas.height !== high) {
      const canvas = new OffscreenCanvas(width, high);
      this.#context = canvas.getContext('2d', { willReadFrequently: true });
    }
    this.#context.drawImage(video, 0, height - high, width, high, 0, 0, width, high);
    const { data } = this.#context.getImageData(0, 0, width, high);
    const cell = Math.floor(width / CELLS);
    let bits = 0;
    for (let i = 0; i < CELLS; i++) {
      // The middle of the cell only: its edges are blurred by the encoder.
      let sum = 0;
      let count = 0;
      for (let y = Math.floor(high / 3); y < Math.ceil((high * 2) / 3); y++) {
        for (let x = Math.floor(cell / 3); x < Math.ceil((cell * 2) / 3); x++) {
          sum += data[(y * width + i * cell + x) * 4 + 1];
          count++;
        }
      }
      const level = sum / count;
      // A cell that is neither: no number was painted here.
      if (level > 90 && level < 165) return null;
      if (level >= 128) bits |= 1 << i;
    }
    const value = bits & 0xfffff;
    return bits >>> BITS === checksum(value) ? value : null;
  }
}
