// A loopback over a bad network: first a clear one, then one that loses and delays packets, then a slow one.

import { open, scenario, within } from '../driver.mjs';
import { relay as through } from '../relay.mjs';
import { rest } from '../rest.mjs';

await scenario(async ({ server, relay, webrtc = {}, lossy, slow, links, elements = {} }, undo) => {
  const network = await through(relay, undo);
  const browser = await open();
  undo.push(() => browser.close());
  const page = await browser.page();
  const api = rest(page, server);
  await page.exposeFunction('throughRelay', (sdp) => network.rewrite(sdp));
  const name = await api.create({
    elements: { room: { type: 'webrtc', ...webrtc }, ...elements },
    links: links ?? ['room.video -> room.video'],
  });
  await page.evaluate(
    async ([server, name]) => {
      const { lab } = window;
      lab.source = new lab.Canvas({ noise: true, mode: 'count' });
      lab.peer = new lab.Peer({ send: lab.source.stream });
      lab.watch = new lab.Watch(lab.peer.stream);
      const options = { gather: true, rewrite: window.throughRelay };
      await lab.whip.join(lab.peer, `${server}/whip/${name}/room`, options);
      await lab.watch.more(30);
    },
    [server, name],
  );

  // A stretch of the call: what was painted, what was seen, and what both sides' statistics say about it.
  const stretch = async (what, frames) => {
    const seen = page.evaluate(async (frames) => {
      const { lab } = window;
      const before = await lab.peer.stats();
      const [painted, began] = [lab.source.painted, performance.now()];
      lab.watch.forget();
      while (lab.source.painted < painted + frames) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      const after = await lab.peer.stats();
      const numbers = lab.watch.numbers.map(([value]) => value);
      const gaps = numbers.slice(1).map((value, i) => value - numbers[i]);
      const more = (way, field) => (after[way]?.[field] ?? 0) - (before[way]?.[field] ?? 0);
      return {
        seconds: (performance.now() - began) / 1000,
        painted: lab.source.painted - painted,
        seen: lab.watch.frames,
        longest_gap: Math.max(0, ...gaps),
        sent_kbps: more('out', 'bytesSent') * 8 / (after.at - before.at),
        may_kbps: (after.pair?.availableOutgoingBitrate ?? 0) / 1000,
        received_kbps: more('in', 'bytesReceived') * 8 / (after.at - before.at),
        plis_sent: more('in', 'pliCount'),
        plis_received: more('out', 'pliCount'),
        firs_received: more('out', 'firCount'),
        nacks_sent: more('in', 'nackCount'),
        nacks_received: more('out', 'nackCount'),
        rtt_ms: (after.pair?.currentRoundTripTime ?? 0) * 1000,
        fraction_lost: after.remote?.fractionLost ?? null,
        key_frames: more('out', 'keyFramesEncoded'),
      };
    }, frames);
    const result = await within(40_000, what, seen);
    result.server = await api.command(name, 'room', 'stats');
    result.network = await network.counters();
    return result;
  };

  const clear = await stretch('the clear network', 150);
  await network.conditions(lossy);
  await stretch('the change', 60);
  const bad = await stretch('the lossy network', 240);
  await network.conditions(slow);
  // What was on its way at the old rate, and what of it is asked for again, fills the line for some seconds.
  await stretch('the change', 360);
  const narrow = await stretch('the slow network', 150);
  await network.conditions({});
  await api.remove(name);
  return { clear, lossy: bad, slow: narrow };
});
