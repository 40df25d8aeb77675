// Kurento's hello world: what a page sends comes back to it.

import { open, scenario } from '../driver.mjs';
import { Application, connect, event } from '../kurento.mjs';

await scenario(async ({ server, frames = 60 }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const app = await new Application(await browser.page()).prepare();
  const client = await connect(server, undo);

  const offer = await app.offer('me', { send: { name: 'me', hue: 120, width: 640, height: 480 } });
  const pipeline = await client.create('MediaPipeline');
  const endpoint = await pipeline.create('WebRtcEndpoint');
  const started = event(endpoint, 'MediaSessionStarted');
  const flowing = event(endpoint, 'MediaFlowOutStateChanged');
  const connected = event(endpoint, 'ConnectionStateChanged');
  await app.join('me', endpoint, offer, () => endpoint.connect(endpoint));
  const seen = await app.frames('me', frames);
  const result = {
    seen,
    colour: await app.colour('me'),
    codecs: (await app.stats('me')).codecs,
    events: {
      session: (await started).type,
      flow: (await flowing).state,
      connection: (await connected).newState,
    },
    state: await endpoint.getConnectionState(),
  };
  await pipeline.release();
  return result;
});
