// Peers come, see media for some seconds, and leave: by closing, or with their browser killed. Several at once, in
// rounds. Prints a line per round, too, so that the test can look at the server meanwhile: {"round": n}.

import { open, scenario, within } from '../driver.mjs';

const create = async (server, description) => {
  const response = await fetch(`${server}/api/v1/pipelines`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(description),
  });
  if (response.status !== 201) throw new Error(`POST pipelines: ${response.status} ${await response.text()}`);
  return (await response.json()).id;
};

const remove = async (server, name) => {
  const response = await fetch(`${server}/api/v1/pipelines/${name}?mode=abort`, { method: 'DELETE' });
  if (!response.ok) throw new Error(`DELETE ${name}: ${response.status} ${await response.text()}`);
};

/** Waits until the server itself has noticed that the peers of these pipelines are gone. */
const noticed = async (server, names, limit) => {
  const gone = async (name) => {
    const response = await fetch(`${server}/api/v1/pipelines/${name}`);
    if (!response.ok) throw new Error(`GET ${name}: ${response.status}`);
    return ((await response.json()).sessions ?? []).length === 0;
  };
  const all = async () => {
    for (const name of names) while (!(await gone(name))) await new Promise((resolve) => setTimeout(resolve, 250));
  };
  await within(limit, 'noticing that peers are gone', all());
};

await scenario(async ({ server, webrtc = {}, rounds, peers, seconds = 5, kill, notice = 60_000 }) => {
  const description = {
    elements: Object.fromEntries(Array.from({ length: peers }, (_, i) => [`peer${i}`, { type: 'webrtc', ...webrtc }])),
    links: Array.from({ length: peers }, (_, i) => `peer${i}.video -> peer${i}.video`),
  };
  const names = [];
  let frames = 0;
  let least = Infinity;
  let shortest = Infinity;
  for (let round = 0; round < rounds; round++) {
    const name = await create(server, description);
    names.push(name);
    const browser = await open();
    const page = await browser.page();
    const media = page.evaluate(
      async ([server, name, peers, seconds]) => {
        const { lab } = window;
        const source = (lab.source = new lab.Canvas({ width: 160, height: 120, fps: 10 }));
        const one = async (i) => {
          const peer = new lab.Peer({ send: source.stream });
          const watch = new lab.Watch(peer.stream);
          const { session } = await lab.whip.join(peer, `${server}/whip/${name}/peer${i}`);
          // So many seconds of media after the first picture.
          await watch.until((w) => w.first !== null && performance.now() - w.first >= seconds * 1000);
          return { peer, watch, session, frames: watch.frames, took: performance.now() - watch.first };
        };
        lab.all = await Promise.all(Array.from({ length: peers }, (_, i) => one(i)));
        return lab.all.map(({ frames, took }) => ({ frames, took }));
      },
      [server, name, peers, seconds],
    );
    const seen = await within(30_000, `media in round ${round}`, media);
    frames += seen.reduce((sum, one) => sum + one.frames, 0);
    least = Math.min(least, ...seen.map((one) => one.frames));
    shortest = Math.min(shortest, ...seen.map((one) => one.took));
    if (kill) {
      await browser.kill();
    } else {
      await page.evaluate(async () => {
        for (const { peer, watch, session } of window.lab.all) {
          watch.stop();
          peer.close();
          await window.lab.whip.leave(session);
        }
      });
      await browser.close();
      await remove(server, names.pop());
    }
    console.log(JSON.stringify({ round }));
  }
  const began = performance.now();
  if (kill) {
    await noticed(server, names, notice);
    for (const name of names) await remove(server, name);
  }
  return { visits: rounds * peers, frames, least, shortest, noticed_after: performance.now() - began };
});
