// One browser, several echoes in turn: how soon the first picture, how old pictures are, what is published.
// `targets`: [{name, kind, url}]; `source`: 'canvas', 'face' (the camera under the cells) or 'noise'.

import { open, scenario, within } from '../driver.mjs';

await scenario(async ({ targets, camera, source = 'canvas', measure, runs, codec = null, settle = 60, frames = 300, seconds = 6 }, undo) => {
  const browser = await open({ camera });
  undo.push(() => browser.close());
  const page = await browser.page();
  await page.evaluate(async (source) => {
    const { lab } = window;
    let over = null;
    if (source === 'face') {
      over = document.createElement('video');
      Object.assign(over, { muted: true, srcObject: await lab.camera() });
      await over.play();
    }
    lab.source = new lab.Canvas({ over, noise: source === 'noise' });
  }, source);
  const one = (target) =>
    page.evaluate(
      ([target, measure, codec, settle, frames, seconds]) => {
        const { bench, source } = window.lab;
        if (measure === 'first') return bench.first(target, source.stream, codec);
        if (measure === 'ages') return bench.ages(target, source.stream, codec, settle, frames);
        return bench.rates(target, source.stream, codec, seconds);
      },
      [target, measure, codec, settle, frames, seconds],
    );
  const results = Object.fromEntries(targets.map(({ name }) => [name, []]));
  // The first of each warms caches and is not counted.
  for (let run = -1; run < runs; run++) {
    for (const target of targets) {
      const measured = await within(60_000, `${measure} of ${target.name}`, one(target));
      if (run >= 0) results[target.name].push(measured);
    }
  }
  return results;
});
