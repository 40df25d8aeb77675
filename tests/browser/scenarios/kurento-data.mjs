// Text and bytes through a data channel, to the server and back.

import { open, scenario, within } from '../driver.mjs';
import { Application, connect } from '../kurento.mjs';

await scenario(async ({ server, messages = 100, bytes = 1 << 20 }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const client = await connect(server, undo);
  const page = await browser.page();
  const app = await new Application(page).prepare();
  const pipeline = await client.create('MediaPipeline');
  const endpoint = await pipeline.create('WebRtcEndpoint', { useDataChannels: true });
  const opened = new Promise((resolve) => endpoint.once('DataChannelOpened', resolve));
  const offer = await app.offer('me', { receive: [], data: true });
  await app.join('me', endpoint, offer, () => endpoint.connect(endpoint));
  const result = page.evaluate(
    async ([messages, bytes]) => {
      const { channel } = window.lab.peers.me;
      channel.binaryType = 'arraybuffer';
      if (channel.readyState !== 'open') await new Promise((resolve) => (channel.onopen = resolve));
      // Each text comes back before the next is sent: order and round trip.
      const trips = [];
      let texts = 0;
      const next = () => new Promise((resolve) => (channel.onmessage = ({ data }) => resolve(data)));
      for (let i = 0; i < messages; i++) {
        const text = `message ${i} – größer als 7 Bit`;
        const sent = performance.now();
        const answer = next();
        channel.send(text);
        if ((await answer) === text) texts++;
        trips.push(performance.now() - sent);
      }
      // Then bytes, as fast as they go; what comes back must be the same, in order.
      const piece = 16384;
      let [back, wrong] = [0, 0];
      const all = new Promise((resolve) => {
        channel.onmessage = ({ data }) => {
          const view = new Uint8Array(data);
          for (let i = 0; i < view.length; i += 97) if (view[i] !== (((back + i) * 31) & 0xff)) wrong++;
          back += view.length;
          if (back >= bytes) resolve();
        };
      });
      const began = performance.now();
      channel.bufferedAmountLowThreshold = 1 << 18;
      for (let at = 0; at < bytes; at += piece) {
        if (channel.bufferedAmount > 1 << 20) await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
        channel.send(Uint8Array.from({ length: piece }, (_, i) => ((at + i) * 31) & 0xff));
      }
      await all;
      trips.sort((a, b) => a - b);
      const seconds = (performance.now() - began) / 1000;
      return { texts, median_trip: trips[trips.length >> 1], back, wrong, megabits: (bytes * 8e-6) / seconds };
    },
    [messages, bytes],
  );
  const echoed = await within(30_000, 'the echo', result);
  const event = await within(5_000, 'DataChannelOpened', opened);
  await pipeline.release();
  return { ...echoed, event: event.type };
});
