// The magic mirror in a bare page: REST makes it, WHIP sends the camera, WHEP shows the hat.

import { open, scenario, screenshot, within } from '../driver.mjs';
import { hats } from '../hats.mjs';
import { rest } from '../rest.mjs';

await scenario(async ({ server, camera, hat, webrtc = {}, frames = 240, picture }, undo) => {
  const browser = await open({ camera });
  undo.push(() => browser.close());
  const page = await browser.page();
  const api = rest(page, server);
  const name = await api.create({
    elements: {
      camera: { type: 'webrtc', ...webrtc },
      mirror: { type: 'face-overlay', image: hat },
      screen: { type: 'webrtc', ...webrtc },
    },
    links: ['camera.video -> mirror -> screen.video'],
  });
  const result = page.evaluate(
    async ([server, name, frames]) => {
      const { lab } = window;
      const sender = new lab.Peer({ send: await lab.camera(), receive: [] });
      await lab.whip.join(sender, `${server}/whip/${name}/camera`);
      const receiver = new lab.Peer({});
      const inspect = (video, value) => ({ value, ...lab.ribbon(video) });
      const watch = new lab.Watch(receiver.stream, { inspect });
      await lab.whip.join(receiver, `${server}/whep/${name}/screen`);
      await watch.until((w) => w.notes.at(-1)?.count > 300);
      watch.forget();
      await watch.more(frames);
      return { seen: watch.seen(), notes: watch.notes };
    },
    [server, name, frames],
  );
  const { seen, notes } = await within(45_000, 'hats', result);
  if (picture) await screenshot(page, picture);
  await api.remove(name);
  return { seen, ...hats(notes) };
});
