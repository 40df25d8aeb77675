// Starts Chromium for a scenario, serves the page to it, and prints what the scenario measured as one JSON line.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const folder = dirname(fileURLToPath(import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };

/** The page's own server on 127.0.0.1: `page/` at the root, packages of `node_modules` under `/packages/`. */
export async function pages() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://x').pathname);
    const file = path.startsWith('/packages/')
      ? join(folder, 'node_modules', path.slice('/packages/'.length))
      : join(folder, 'page', path === '/' ? 'index.html' : path);
    try {
      const body = await readFile(file);
      response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/**
 * Chromium with the page's server. `camera` is a file (.mjpeg or .y4m) that plays the camera; left out, Chromium's own
 * fake camera does. Ends with `close()`, or like a crash with `kill()`.
 */
export async function open({ camera = null, args = [] } = {}) {
  const site = await pages();
  const server = await chromium.launchServer({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
      // A page that is not in front counts on, too.
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
      ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : []),
      ...args,
    ],
  });
  const browser = await chromium.connect(server.wsEndpoint());
  return {
    site,
    /** A new window with the page, ready for use. `window.lab` is there. */
    async page(url = site.url) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      const page = await context.newPage();
      page.on('pageerror', (error) => console.error(`page: ${error.message}`));
      page.on('console', (message) => message.type() === 'error' && console.error(`page: ${message.text()}`));
      await page.goto(url);
      if (url === site.url) await page.waitForFunction(() => window.lab !== undefined);
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
      site.close();
    },
    /** SIGKILL to the browser and all its children: nobody says goodbye. */
    async kill() {
      site.close();
      await server.kill();
    },
  };
}

/** A picture of what the page shows. */
export async function screenshot(page, path) {
  await page.screenshot({ path, fullPage: true });
}

/** Waits for a promise at most that long. Says what it waited for if that was in vain. */
export function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Runs a scenario with the options that the command line gives as JSON and ends the process: with one line of JSON on
 * stdout and 0, or with the reason on stderr and 1. `main` gets the options and a list of what to undo at the end.
 */
export async function scenario(main) {
  const options = JSON.parse(process.argv[2] ?? '{}');
  const undo = [];
  let code = 0;
  try {
    const result = await within(options.limit ?? 60_000, 'the scenario', main(options, undo));
    console.log(JSON.stringify(result));
  } catch (error) {
    console.error(error?.stack ?? String(error));
    code = 1;
  }
  for (const step of undo.reverse()) {
    await within(10_000, 'cleaning up', Promise.resolve().then(step)).catch((error) => console.error(String(error)));
  }
  // Clients keep their sockets and timers.
  process.exit(code);
}
