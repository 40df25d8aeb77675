// Kurento's one-to-many call: one presenter, five viewers; some leave, others come late, nobody else notices.

import { open, scenario } from '../driver.mjs';
import { Application, connect } from '../kurento.mjs';

await scenario(async ({ server }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const client = await connect(server, undo);
  const stage = await new Application(await browser.page()).prepare();
  const hall = await new Application(await browser.page()).prepare();

  const pipeline = await client.create('MediaPipeline');
  const presenter = await pipeline.create('WebRtcEndpoint');
  const source = { name: 'presenter', hue: 200, mode: 'count', width: 320, height: 240 };
  await stage.join('presenter', presenter, await stage.offer('presenter', { send: source, receive: [] }));

  const viewers = {};
  const view = async (id) => {
    const asked = performance.now();
    const offer = await hall.offer(id);
    viewers[id] = await pipeline.create('WebRtcEndpoint');
    await hall.join(id, viewers[id], offer, () => presenter.connect(viewers[id]));
    await hall.frames(id, 1);
    return performance.now() - asked;
  };
  const leave = async (id) => {
    await viewers[id].release();
    await hall.close(id);
    delete viewers[id];
  };

  const firsts = [];
  for (const id of ['one', 'two', 'three', 'four', 'five']) firsts.push(await view(id));
  const all = await Promise.all(Object.keys(viewers).map((id) => hall.frames(id, 30, { fresh: true })));

  // Two leave, one of them without a word to the server; a sixth and a seventh come. The first three stay and look.
  const staying = hall.frames('one', 120, { fresh: true, limit: 30_000 });
  await leave('four');
  await hall.close('five');
  firsts.push(await view('six'), await view('seven'));
  await viewers.five.release();
  await leave('six');
  const stayed = await staying;
  const numbers = await hall.page.evaluate(() => window.lab.watches.one.numbers.map(([value]) => value));
  const gaps = numbers.slice(1).map((value, i) => value - numbers[i]);
  const last = await Promise.all(['two', 'three', 'seven'].map((id) => hall.frames(id, 15, { fresh: true })));
  const colours = await Promise.all(['two', 'seven'].map((id) => hall.colour(id)));
  await pipeline.release();
  return {
    firsts,
    all,
    stayed,
    // The longest stretch of frames that the viewer who stayed did not see, in frames of the presenter.
    longest_gap: Math.max(...gaps),
    backwards: gaps.filter((gap) => gap < 0).length,
    last,
    colours,
  };
});
