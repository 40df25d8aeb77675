// Whether the hat sits on the face and follows it: compares where the ribbon is with where the clip had the face.

// The clip (tests/harness/src/browser.rs): 240 frames, the face's middle goes from left to right and back.
const FRAMES = 240;
const FACE = { middle: 308, swing: 120, width: 140 };

/** The face's middle in a frame of the clip, pixels from the left. */
export const face = (frame) => FACE.middle + FACE.swing * Math.sin((2 * Math.PI * frame) / FRAMES);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Sums up notes {value, count, x, y} of frames: those with a number and a hat. */
export function hats(notes) {
  const read = notes.filter(({ value }) => value !== null && value < FRAMES);
  const worn = read.filter(({ count }) => count > 300);
  const offsets = worn.map(({ value, x }) => x - face(value));
  const middle = median(offsets);
  const misses = offsets.map((offset) => Math.abs(offset - middle)).sort((a, b) => a - b);
  return {
    // Frames whose number was read, and those of them with a hat.
    read: read.length,
    worn: worn.length,
    // How far the hat's ribbon stands from the face's middle, and how much that varies while the face moves.
    offset_x: middle,
    miss_median: misses[Math.floor(misses.length / 2)] ?? null,
    miss_p90: misses[Math.floor(misses.length * 0.9)] ?? null,
    height: median(worn.map(({ y }) => y)),
    pixels: median(worn.map(({ count }) => count)),
    // How far the face went meanwhile.
    travel: Math.max(...worn.map(({ value }) => face(value))) - Math.min(...worn.map(({ value }) => face(value))),
    face_width: FACE.width,
  };
}
