// Runs the examples of docs/clients.md as they stand there, but for the server's address.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import kurentoClient from 'kurento-client';
import { open, scenario, within } from '../driver.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

await scenario(async ({ server, camera }, undo) => {
  const text = await readFile(join(root, 'docs/clients.md'), 'utf8');
  const here = text.replaceAll('http://127.0.0.1:8888', server).replaceAll('ws://127.0.0.1:8888', server.replace('http', 'ws'));
  const blocks = [...here.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language, code]) => ({ language, code }));
  const all = (language) => blocks.filter((block) => block.language === language).map(({ code }) => code);
  const [description] = all('yaml');
  const [html] = all('html');
  const [kurento, whip, whep] = all('js');

  const create = async () => {
    const headers = { 'Content-Type': 'application/yaml' };
    const made = await fetch(`${server}/api/v1/pipelines`, { method: 'POST', headers, body: description });
    if (made.status !== 201) throw new Error(`${made.status} ${await made.text()}`);
  };
  const remove = () => fetch(`${server}/api/v1/pipelines/mirror?mode=abort`, { method: 'DELETE' });
  const browser = await open({ camera });
  undo.push(() => browser.close());
  // Frames of the page's first video.
  const frames = (page, count) =>
    within(
      20_000,
      'frames',
      page.evaluate(async (count) => {
        const video = document.querySelector('video');
        for (let i = 0; i < count; i++) await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
        return count;
      }, count),
    );

  await create();
  const bare = await browser.page();
  await bare.setContent(html);
  const result = { bare: await frames(bare, 30) };
  await bare.close();
  await remove();

  await create();
  const page = await browser.page();
  const script = (code) => code.replaceAll("'whip-whep/", "'/packages/whip-whep/");
  await page.setContent(`<video autoplay muted playsinline></video><script type="module">${script(whip)}</script>`);
  await page.addScriptTag({ type: 'module', content: script(whep) });
  result.whip_whep = await frames(page, 30);
  await page.close();
  await remove();

  // The application's page is of the test: what the application and the page say to each other is up to them.
  const own = await browser.page();
  const offer = await own.evaluate(async () => {
    const { lab } = window;
    lab.peers.me = new lab.Peer({ send: await lab.camera() });
    lab.watches.me = new lab.Watch(lab.peers.me.stream);
    await lab.peers.me.offer();
    return lab.peers.me.gathered();
  });
  const candidates = [];
  const body = kurento.replace(/^import .*$/m, '');
  const AsyncFunction = (async () => {}).constructor;
  const run = new AsyncFunction('kurento', 'offer', 'toPage', `${body}\nreturn { answer, client, pipeline };`);
  const { answer, client, pipeline } = await run(kurentoClient, offer, (candidate) => {
    candidates.push(candidate);
    const { candidate: line, sdpMid, sdpMLineIndex } = candidate;
    own.evaluate((c) => window.lab.early('me', c), { candidate: line, sdpMid, sdpMLineIndex }).catch(() => {});
  });
  undo.push(() => client.close());
  await own.evaluate((sdp) => window.lab.answered('me', sdp), answer);
  result.kurento = (await within(20_000, 'frames', own.evaluate(() => window.lab.watches.me.more(30).then(() => window.lab.watches.me.seen())))).frames;
  await pipeline.release();
  return result;
});
