// A call between two pages: each sees the other.

import { open, scenario } from '../driver.mjs';
import { Application, connect } from '../kurento.mjs';

await scenario(async ({ server }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const client = await connect(server, undo);
  const [left, right] = [
    await new Application(await browser.page()).prepare(),
    await new Application(await browser.page()).prepare(),
  ];
  const pipeline = await client.create('MediaPipeline');
  const [a, b] = [await pipeline.create('WebRtcEndpoint'), await pipeline.create('WebRtcEndpoint')];
  await a.connect(b);
  await b.connect(a);
  const size = { width: 320, height: 240 };
  await left.join('left', a, await left.offer('left', { send: { name: 'left', hue: 0, ...size } }));
  await right.join('right', b, await right.offer('right', { send: { name: 'right', hue: 240, ...size } }));
  const [sees, seen] = await Promise.all([left.frames('left', 45), right.frames('right', 45)]);
  const result = { left: sees, right: seen, left_sees: await left.colour('left'), right_sees: await right.colour('right') };
  await pipeline.release();
  return result;
});
