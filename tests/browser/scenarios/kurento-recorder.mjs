// What a page sends is recorded; then another page is shown the recording.

import { open, scenario } from '../driver.mjs';
import { Application, connect, event } from '../kurento.mjs';

await scenario(async ({ server, uri, profile = 'WEBM_VIDEO_ONLY', frames = 90 }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const client = await connect(server, undo);
  const app = await new Application(await browser.page()).prepare();

  const pipeline = await client.create('MediaPipeline');
  const endpoint = await pipeline.create('WebRtcEndpoint');
  const recorder = await pipeline.create('RecorderEndpoint', { uri, mediaProfile: profile });
  await app.join(
    'camera',
    endpoint,
    await app.offer('camera', { send: { name: 'camera', hue: 300, mode: 'count' } }),
    async () => {
      await endpoint.connect(endpoint);
      await endpoint.connect(recorder, 'VIDEO');
    },
  );
  await app.frames('camera', 5);
  const recording = event(recorder, 'Recording');
  await recorder.record();
  const began = await recording;
  await app.frames('camera', frames, { fresh: true, limit: 20_000 });
  const stopped = event(recorder, 'Stopped');
  await recorder.stopAndWait();
  const ended = await stopped;
  await pipeline.release();
  await app.close('camera');

  const second = await client.create('MediaPipeline');
  const player = await second.create('PlayerEndpoint', { uri });
  const screen = await second.create('WebRtcEndpoint');
  const over = event(player, 'EndOfStream', 20_000);
  const failed = new Promise((_, reject) => player.once('Error', (e) => reject(new Error(`player: ${e.description}`))));
  await app.join('screen', screen, await app.offer('screen'), () => player.connect(screen));
  await player.play();
  await Promise.race([over, failed]);
  const played = await app.frames('screen', 1);
  const numbers = await app.page.evaluate(() => window.lab.watches.screen.numbers.map(([value]) => value));
  const colour = await app.colour('screen');
  await second.release();
  return { events: [began.type, ended.type], played, numbers, colour };
});
