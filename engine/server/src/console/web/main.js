// The frame of the page: which view is shown, navigation, keys, theme, the server's state.

import * as api from './api.js';
import { h, fill, icon, say } from './dom.js';
import { askToken, showHelp } from './dialogs.js';
import { notify } from './notices.js';
import { bytes, count, percent, span } from './words.js';
import { serverFeed } from './feed.js';

/** The first part of the address after '#/', and the module with its view. */
const VIEWS = {
  '': () => import('./pipelines.js'),
  pipelines: () => import('./pipeline.js'),
  new: () => import('./create.js'),
  camera: () => import('./camera.js'),
  watch: () => import('./watch.js'),
  elements: () => import('./catalogue.js'),
};

const NAV = [
  ['#/', 'pipelines', 'Pipelines', ['', 'pipelines', 'new']],
  ['#/camera', 'camera', 'camera', ['camera', 'watch'], 'Try your '],
  ['#/elements', 'elements', 'Elements', ['elements']],
];

const main = document.getElementById('main');
let shown = { close() {} };
let turn = 0;

function parts() {
  return location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);
}

async function route({ focus = true } = {}) {
  const [name = '', ...rest] = parts();
  // The view that is there may take a change of address itself: another tab, another element.
  if (shown.name === name && shown.navigate?.(rest)) return;
  const mine = ++turn;
  shown.close?.();
  shown = { close() {} };
  declined = false;
  document.body.classList.toggle('bare', name === 'watch');
  drawNav(name);
  const load = VIEWS[name];
  if (!load) {
    fill(main, h('div.card.empty', {}, h('h1', {}, 'There is no such page'), h('a.plain', { href: '#/' }, 'To the pipelines')));
    return;
  }
  try {
    const view = await load();
    if (mine !== turn) return;
    fill(main);
    shown = { name, ...view.show(main, rest) };
    document.title = shown.title ? `${shown.title} – Anabranch` : 'Anabranch';
    if (focus) main.focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    fill(main, h('p.notice.bad', {}, api.words(error)));
    throw error;
  }
}

function drawNav(name) {
  const links = NAV.map(([href, look, text, names, before]) =>
    h('a', { href, 'aria-current': names.includes(name) ? 'page' : undefined }, icon(look),
      h('span.word', {}, before && h('span.long', {}, before), text)));
  const action = (look, text, onclick) =>
    h('button', { type: 'button', onclick, 'aria-label': text, title: text }, icon(look), h('span', {}, text));
  fill(document.getElementById('nav'), links, h('div.gap'), action('theme', 'Light or dark', switchTheme),
    action('key', 'Token', () => token(false)), action('help', 'Keys and help', showHelp));
}

// Theme: the system's, until somebody chooses.
const THEME = 'anabranch-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
function applyTheme() {
  document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? (dark.matches ? 'dark' : 'light');
  document.dispatchEvent(new Event('theme'));
}
function switchTheme() {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  if (next === (dark.matches ? 'dark' : 'light')) localStorage.removeItem(THEME);
  else localStorage.setItem(THEME, next);
  applyTheme();
}

// Token. Who does not give one is asked again on the next page only.
let declined = false;
async function token(refused, asked = true) {
  if (declined && !asked) return;
  declined = true;
  if (await askToken(api.token.get(), refused)) {
    if (!api.token.get()) notify('The token is forgotten.', 'good');
    shown.close?.();
    shown = { close() {} };
    route();
    serverFeed.now();
  }
}

// The server's state in the corner.
function drawStatus(server) {
  const corner = document.getElementById('status');
  if (server.lost) {
    fill(corner, h('span.badge.bad', {}, 'not reachable'));
    return;
  }
  const rows = [['version', server.version], ['up', span(server.uptime)], ['processors', percent(server.cpu)],
    ['memory', bytes(server.memory)], ['threads', server.threads]].filter(([, v]) => v !== undefined && v !== '–');
  if (corner.querySelectorAll('dt').length !== rows.length) {
    fill(corner, h('dl', {}, rows.map(([name]) => [h('dt', {}, name), h('dd', {})])));
  }
  corner.querySelectorAll('dd').forEach((cell, n) => say(cell, String(rows[n][1])));
  corner.title = server.pipelines === undefined ? '' : count(server.pipelines, 'pipeline');
}

// Keys. Letters work wherever nobody is typing.
const typing = (target) => target.closest?.('input, textarea, select, dialog, [contenteditable]');
let pending = '';
function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  const go = { p: '#/', c: '#/camera', e: '#/elements' };
  if (pending === 'g') {
    pending = '';
    if (go[event.key]) {
      event.preventDefault();
      location.hash = go[event.key];
    }
    return;
  }
  const known = {
    g: () => { pending = 'g'; setTimeout(() => { pending = ''; }, 1500); },
    n: () => { location.hash = '#/new'; },
    t: switchTheme,
    '?': showHelp,
    '/': () => { main.querySelector('[data-filter]')?.focus(); },
  };
  const action = known[event.key] ?? shown.keys?.[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
}

applyTheme();
dark.addEventListener('change', applyTheme);
addEventListener('hashchange', () => route());
addEventListener('keydown', key);
api.whenUnauthorized((refused) => token(refused, false));
serverFeed.listen(drawStatus);
route({ focus: false });
