// Glass to glass: a pattern of black and white fields is drawn into the picture that is sent, and looked for in the one
// that comes back.

/** Fields of the pattern; each is one bit of a counter, and its opposite stands below. */
const BITS = 8;
/** Share of the picture's width and height that it takes. */
const WIDTH = 0.8;
const HEIGHT = 0.16;

/** Measures for some seconds; gives the middle of the times in milliseconds, or null if nothing came back. */
export async function measure({ sender, source, shown, seconds = 3 }) {
  const track = sender.track;
  const { width = 640, height = 480 } = track.getSettings();
  const canvas = new OffscreenCanvasLike(width, height);
  const sent = new Map();
  const times = [];
  let counter = 0;
  let over = false;
  const draw = () => {
    if (over) return;
    counter = (counter + 1) % (1 << BITS);
    paint(canvas.context, source, width, height, counter);
    sent.set(counter, performance.now());
    source.requestVideoFrameCallback(draw);
  };
  source.requestVideoFrameCallback(draw);
  const marked = canvas.element.captureStream().getVideoTracks()[0];
  const probe = new OffscreenCanvasLike(160, 32);
  const look = (now) => {
    if (over) return;
    const seen = read(probe.context, shown);
    const when = seen === null ? undefined : sent.get(seen);
    if (when !== undefined) {
      sent.delete(seen);
      times.push(performance.now() - when);
    }
    shown.requestVideoFrameCallback(look);
  };
  await sender.replaceTrack(marked);
  shown.requestVideoFrameCallback(look);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  over = true;
  await sender.replaceTrack(track);
  marked.stop();
  if (times.length < 5) return null;
  // The first ones wait for the encoder to get used to the new picture.
  const settled = times.slice(Math.floor(times.length / 4)).sort((a, b) => a - b);
  return settled[Math.floor(settled.length / 2)];
}

/** A canvas outside of the page that can be captured. */
class OffscreenCanvasLike {
  constructor(width, height) {
    this.element = document.createElement('canvas');
    this.element.width = width;
    this.element.height = height;
    this.context = this.element.getContext('2d', { willReadFrequently: true });
  }
}

function paint(context, source, width, height, counter) {
  context.drawImage(source, 0, 0, width, height);
  const [left, field, tall] = [width * (1 - WIDTH) / 2, width * WIDTH / BITS, height * HEIGHT / 2];
  const top = height - tall * 2.5;
  for (let bit = 0; bit < BITS; bit += 1) {
    const on = (counter >> bit) & 1;
    context.fillStyle = on ? '#fff' : '#000';
    context.fillRect(left + bit * field, top, field, tall);
    context.fillStyle = on ? '#000' : '#fff';
    context.fillRect(left + bit * field, top + tall, field, tall);
  }
}

/** The counter in a picture; null if there is none. */
function read(context, video) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width) return null;
  const tall = height * HEIGHT;
  const [w, h] = [context.canvas.width, context.canvas.height];
  context.drawImage(video, width * (1 - WIDTH) / 2, height - tall * 1.25, width * WIDTH, tall, 0, 0, w, h);
  const { data } = context.getImageData(0, 0, w, h);
  const light = (x, y) => data[(Math.floor(y) * w + Math.floor(x)) * 4 + 1];
  let counter = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const x = (bit + 0.5) * w / BITS;
    const [above, below] = [light(x, h * 0.25), light(x, h * 0.75)];
    if (Math.abs(above - below) < 90) return null;
    if (above > below) counter |= 1 << bit;
  }
  return counter;
}
