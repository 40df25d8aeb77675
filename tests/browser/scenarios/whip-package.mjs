// Somebody else's implementation: the npm package `whip-whep`, unmodified, in a page.

import { open, scenario, within } from '../driver.mjs';
import { rest } from '../rest.mjs';

await scenario(async ({ server, webrtc = {} }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const page = await browser.page();
  const api = rest(page, server);
  const name = await api.create({
    elements: { room: { type: 'webrtc', ...webrtc } },
    links: ['room.video -> room.video'],
  });
  const result = page.evaluate(
    async ([server, name]) => {
      const { lab } = window;
      const { WHIPClient } = await import('/packages/whip-whep/whip.js');
      const { WHEPClient } = await import('/packages/whip-whep/whep.js');
      const source = new lab.Canvas({ hue: 280 });

      const sending = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      sending.addTransceiver(source.stream.getVideoTracks()[0], { direction: 'sendonly' });
      const whip = new WHIPClient();
      await whip.publish(sending, `${server}/whip/${name}/room`);

      const receiving = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      receiving.addTransceiver('video', { direction: 'recvonly' });
      const stream = new MediaStream();
      receiving.ontrack = ({ track }) => stream.addTrack(track);
      const watch = new lab.Watch(stream);
      const whep = new WHEPClient();
      await whep.view(receiving, `${server}/whep/${name}/room`);
      await watch.more(60);
      const result = { seen: watch.seen(), colour: watch.colour() };
      await whep.stop();
      await whip.stop();
      return result;
    },
    [server, name],
  );
  const measured = await within(40_000, 'WHIP and WHEP', result);
  await api.remove(name);
  return measured;
});
