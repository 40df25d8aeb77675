// The console as a person uses it: the magic mirror is started from the page, its picture comes back with a hat, the
// statistics move, a description is changed, and everything is given back.

import { open, scenario, screenshot, within } from '../driver.mjs';

/** Waits until `ask` in the page gives something, and returns it. */
async function until(page, what, ask, argument) {
  const handle = await within(30_000, what, page.waitForFunction(ask, argument, { timeout: 0 }));
  return handle.jsonValue();
}

/** The number that a text begins with. */
const numbers = (text) => [...text.matchAll(/[\d,]+(?:\.\d+)?/g)].map(([n]) => Number(n.replaceAll(',', '')));

await scenario(async ({ server, camera, pictures }, undo) => {
  const browser = await open({ camera });
  undo.push(() => browser.close());
  const page = await browser.page(`${server}/`);
  const trouble = [];
  page.on('pageerror', (error) => trouble.push(error.message));
  // What the security policy forbids is an error on the console.
  page.on('console', (message) => message.type() === 'error' && trouble.push(message.text()));
  const shot = async (name) => pictures && screenshot(page, `${pictures}/${name}.png`);

  // By keyboard: "go to camera", then the tile.
  await page.waitForSelector('h1');
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await page.getByRole('link', { name: /magic mirror/i }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Start' }).click();
  await until(page, 'the mirror runs', () => {
    const { state } = document.querySelector('[data-state]').dataset;
    if (state === 'failed') throw new Error(document.querySelector('[role=alert]').textContent);
    return state === 'running';
  });

  // The hat's ribbon is the only thing so red.
  const ribbon = await until(page, 'a hat', () => {
    const video = document.getElementById('returned');
    if (!video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let n = 0; n < data.length; n += 4) if (data[n] > 150 && data[n + 1] < 80 && data[n + 2] < 110) count += 1;
    return count > 300 ? count : null;
  });
  const sent = await until(page, 'numbers of the browser', () => {
    const text = document.querySelector('[data-number=back]')?.textContent ?? '';
    return /[1-9]\d* × [1-9]\d*, [1-9][\d.]* fps/.test(text) ? text : null;
  });
  await page.getByRole('button', { name: /glass to glass/ }).click();
  const glass = await until(page, 'the delay', () => {
    const text = document.getElementById('glass').textContent;
    return /\d ms$|\d s$|no pattern/.test(text) ? text : null;
  });
  await shot('camera');

  // The same pipeline in a second window, while the first one goes on.
  const href = await page.getByRole('link', { name: /pipeline at work/ }).getAttribute('href');
  const id = href.split('/').at(-1);
  const other = await page.context().newPage();
  other.on('pageerror', (error) => trouble.push(error.message));
  other.on('console', (message) => message.type() === 'error' && trouble.push(message.text()));
  await other.goto(`${server}/${href}`);
  await until(other, 'the graph', () => document.querySelectorAll('.box').length >= 3);
  const flowing = await until(other, 'flow on the links', () => {
    const rates = [...document.querySelectorAll('.label .rate')].map((text) => text.textContent);
    return rates.some((rate) => /^[1-9][\d.]* fps/.test(rate)) ? rates : null;
  });
  const cell = (n) => `.strip .cell:nth-child(${n}) .number`;
  const seen = new Set();
  for (let turn = 0; turn < 3; turn += 1) {
    const before = [...seen];
    const found = await until(other, 'the statistics move', ([where, old]) => {
      const text = document.querySelector(where).textContent;
      return text !== '–' && !old.includes(text) ? text : null;
    }, [cell(2), before]);
    seen.add(found);
  }
  await other.locator('.box', { hasText: 'mirror' }).first().focus();
  await other.keyboard.press('Enter');
  await until(other, 'a picture of the mirror', () => document.querySelector('.shotframe img')?.naturalWidth > 0);
  if (pictures) await screenshot(other, `${pictures}/element.png`);
  await other.keyboard.press('Escape');
  await other.keyboard.press('2');
  await until(other, 'rows of numbers', () => {
    const rows = [...document.querySelectorAll('table.numbers tbody tr')];
    return rows.some((row) => Number(row.cells[1].textContent.replaceAll(',', '')) > 30);
  });
  if (pictures) await screenshot(other, `${pictures}/statistics.png`);
  await other.keyboard.press('3');
  const events = await until(other, 'events', () => {
    const tags = [...document.querySelectorAll('.event .tag')].map((tag) => tag.textContent);
    return tags.includes('state') && tags.includes('peer-state') ? [...new Set(tags)] : null;
  });
  if (pictures) await screenshot(other, `${pictures}/events.png`);

  // A mistake in the description is shown in its place; put right, it is applied while the picture goes on.
  await other.keyboard.press('4');
  const area = other.locator('textarea');
  await until(other, 'the description', () => document.querySelector('textarea')?.value.includes('face-overlay'));
  const text = await area.inputValue();
  await area.fill(text.replace('face-overlay', 'face-overly'));
  const finding = await until(other, 'a finding', () => {
    const found = document.querySelector('.findings li.bad');
    const line = document.querySelector('.sheet .numbers .bad');
    return found && line ? { text: found.textContent, line: Number(line.textContent) } : null;
  });
  if (pictures) await screenshot(other, `${pictures}/finding.png`);
  const lines = text.split('\n');
  const wrong = lines.findIndex((line) => line.includes('face-overlay')) + 1;
  await area.fill(`${text.trimEnd()}\n`.replace(/(\n *type: face-overlay\n)/, `$1    opacity: 0.9\n`));
  await other.keyboard.press('Control+Enter');
  await until(other, 'the change', () => /The change is applied/.test(document.querySelector('.notices').textContent));
  await other.close();
  const frames = () => page.evaluate(() => document.getElementById('returned').getVideoPlaybackQuality().totalVideoFrames);
  const before = await frames();
  await until(page, 'the picture goes on', (n) => document.getElementById('returned').getVideoPlaybackQuality().totalVideoFrames > n + 15, before);

  await page.getByRole('button', { name: 'Stop' }).click();
  await until(page, 'the end', () => document.querySelector('[data-state]').dataset.state === 'idle');
  const gone = await page.evaluate(async (name) => {
    const { pipelines } = await (await fetch('/api/v1/pipelines')).json();
    return pipelines.every((one) => one.id !== name);
  }, id);

  // A narrow window: nothing hangs over the edge.
  await page.setViewportSize({ width: 400, height: 800 });
  const over = [];
  for (const place of ['#/', '#/camera', '#/camera/loopback', '#/elements', '#/elements/webrtc', '#/new']) {
    await page.goto(`${server}/${place}`);
    await page.waitForSelector('h1');
    await until(page, 'the page', () => !/Asking the server/.test(document.getElementById('main').textContent));
    const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (width > 0) over.push(`${place} by ${width}`);
  }
  return { id, ribbon, sent, glass: numbers(glass)[0] ?? null, flowing, seen: [...seen], events, finding, wrong, gone, over, trouble };
});
