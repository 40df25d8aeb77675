// What the benchmarks measure: one echo after the other, ours and Janus's by the same code.

import * as janus from './janus.js';
import { Peer } from './peer.js';
import { Watch } from './watch.js';
import * as whip from './whip.js';

/** An echo that is up: `target` is `{kind: 'whip' | 'janus', url}`. */
async function echo(target, stream, codec) {
  const peer = new Peer({ send: stream, codec });
  const watch = new Watch(peer.stream);
  if (target.kind === 'janus') {
    const place = await janus.attach(target.url);
    const { asked } = await janus.join(peer, place);
    return { peer, watch, asked, leave: () => janus.leave(place) };
  }
  const { asked, session } = await whip.join(peer, target.url, { gather: true });
  return { peer, watch, asked, leave: () => whip.leave(session) };
}

const end = async ({ peer, watch, leave }) => {
  watch.stop();
  await leave();
  peer.close();
};

/** Milliseconds from POSTing the offer to the first decoded frame that is shown. */
export async function first(target, stream, codec) {
  const one = await echo(target, stream, codec);
  await one.watch.until((w) => w.frames >= 1);
  const took = one.watch.first - one.asked;
  await end(one);
  return took;
}

/** Ages of the frames that are shown, milliseconds, over so many frames after a while of settling. */
export async function ages(target, stream, codec, settle, frames) {
  const one = await echo(target, stream, codec);
  await one.watch.more(settle);
  one.watch.forget();
  await one.watch.more(frames);
  const result = one.watch.numbers.map(([, age]) => age);
  const unread = one.watch.unread;
  await end(one);
  return { ages: result, unread };
}

/** What is published each second after the connection is up: kbit/s sent, and what the browser thinks it may. */
export async function rates(target, stream, codec, seconds) {
  const one = await echo(target, stream, codec);
  await one.peer.state('connected');
  const samples = [];
  let before = await one.peer.stats();
  for (let i = 0; i < seconds; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = await one.peer.stats();
    const bits = (now.out.bytesSent + now.out.headerBytesSent - before.out.bytesSent - before.out.headerBytesSent) * 8;
    samples.push({
      sent: bits / (now.at - before.at),
      may: (now.pair?.availableOutgoingBitrate ?? 0) / 1000,
    });
    before = now;
  }
  await end(one);
  return samples;
}
