// The driver without a server: camera and canvas go from one RTCPeerConnection of a page to another.

import { open, scenario, screenshot, within } from '../driver.mjs';

await scenario(async ({ camera, picture }, undo) => {
  const browser = await open({ camera });
  undo.push(() => browser.close());
  const page = await browser.page();
  const result = page.evaluate(async () => {
    const { lab } = window;
    const one = async (stream) => {
      const there = new lab.Peer({ send: stream, receive: [] });
      const here = new lab.Peer({ receive: [] });
      there.onCandidate = (c) => here.add(c);
      here.onCandidate = (c) => there.add(c);
      const asked = performance.now();
      const watch = new lab.Watch(here.stream);
      await there.answered(await here.answer(await there.offer()));
      await watch.more(45);
      const stats = await there.stats();
      return { ...watch.seen(), took: watch.first - asked, ribbon: lab.ribbon(watch.video), sent: stats.out.framesSent };
    };
    const source = new lab.Canvas();
    const canvas = await one(source.stream);
    source.stop();
    const film = await one(await lab.camera());
    return { canvas, film };
  });
  const measured = await within(30_000, 'frames', result);
  if (picture) await screenshot(page, picture);
  return measured;
});
