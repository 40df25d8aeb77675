// Kurento's magic mirror: the camera comes back with a hat on. The clip in the camera says in each frame which one it
// is, so each frame that comes back tells where the face is in it, however late it comes.

import { open, scenario, screenshot, within } from '../driver.mjs';
import { Application, connect } from '../kurento.mjs';
import { hats } from '../hats.mjs';

await scenario(async ({ server, camera, hat, frames = 240, picture }, undo) => {
  const browser = await open({ camera });
  undo.push(() => browser.close());
  const page = await browser.page();
  const app = await new Application(page).prepare();
  const client = await connect(server, undo);

  const offer = await app.offer('me', { send: 'camera', inspect: true });
  const pipeline = await client.create('MediaPipeline');
  const [endpoint, filter] = [await pipeline.create('WebRtcEndpoint'), await pipeline.create('FaceOverlayFilter')];
  // Kurento's numbers: relative to the face's rectangle.
  await filter.setOverlayedImage(hat, -0.35, -1.2, 1.6, 1.6);
  await app.join('me', endpoint, offer, async () => {
    await endpoint.connect(filter);
    await filter.connect(endpoint);
  });
  await within(20_000, 'a hat', page.evaluate(() => window.lab.watches.me.until((w) => w.notes.at(-1)?.count > 300)));
  const seen = await app.frames('me', frames, { fresh: true, limit: 30_000 });
  const notes = await page.evaluate(() => window.lab.watches.me.notes);
  if (picture) await screenshot(page, picture);
  await pipeline.release();
  return { seen, ...hats(notes) };
});
