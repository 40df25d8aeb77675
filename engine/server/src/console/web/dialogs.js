// Dialogs: help, token, and "are you sure".

import { token } from './api.js';
import { h } from './dom.js';

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener('close', () => done(dialog.returnValue), { once: true }));
}

const KEYS = [
  [['?'], 'this help'],
  [['g', 'p'], 'go to the pipelines'],
  [['g', 'c'], 'go to "Try your camera"'],
  [['g', 'e'], 'go to the elements'],
  [['n'], 'write a new description'],
  [['/'], 'to the filter of this page'],
  [['1'], 'graph; 2 statistics, 3 events, 4 description'],
  [['p'], 'pause or go on with the events'],
  [['Esc'], 'close the panel of an element'],
  [['Ctrl', 'Enter'], 'in a description: start or apply it'],
  [['t'], 'light or dark'],
];

/** The keys, and where to read more. */
export function showHelp() {
  if (document.querySelector('dialog[open]')) return;
  open(h('dialog', { 'aria-labelledby': 'help-title' },
    h('form', { method: 'dialog' },
      h('h2', { id: 'help-title' }, 'Keys'),
      h('dl.keys', {}, KEYS.map(([keys, text]) => [h('dt.row', {}, keys.map((k) => h('kbd', {}, k))), h('dd', {}, text)])),
      h('p.quiet', {}, 'Tab goes through everything on the page; Enter opens an element of a graph. The interface behind this '
        + 'page is described in ', h('a', { href: '/api/openapi.json' }, 'openapi.json'), '.'),
      h('div.row', {}, h('button.primary', { value: 'close', autofocus: true }, 'Close')))));
}

let asking = false;

/** Asks for a token and keeps it; true if it changed. `refused`: the one that was sent is not known. */
export async function askToken(current, refused) {
  if (asking) return false;
  asking = true;
  const field = h('input', { type: 'password', name: 'token', autocomplete: 'off', spellcheck: 'false', value: current });
  const answer = await open(h('dialog', { 'aria-labelledby': 'token-title' },
    h('form', { method: 'dialog' },
      h('h2', { id: 'token-title' }, 'Token'),
      h('p.quiet', {}, refused ? 'The server does not know this token, or wants another one.'
        : 'What the server lets this page do depends on its token. It is kept in this tab until the tab is closed.'),
      h('label.field', {}, 'Bearer token', field),
      h('div.row', {},
        h('button.plain', { value: 'cancel', formnovalidate: true, type: 'button', onclick: (e) => e.target.closest('dialog').close('') },
          'Cancel'),
        h('button.primary', { value: 'use' }, 'Use it')))));
  asking = false;
  const next = field.value.trim();
  if (answer !== 'use' || (next === current && !refused)) return false;
  token.set(next);
  return true;
}

/** Asks whether to go on; true if so. */
export async function sure(question, text, verb) {
  const answer = await open(h('dialog', { 'aria-labelledby': 'sure-title' },
    h('form', { method: 'dialog' },
      h('h2', { id: 'sure-title' }, question),
      h('p.quiet', {}, text),
      h('div.row', {}, h('button.plain', { value: '' }, 'Cancel'), h('button.primary', { value: 'yes' }, verb)))));
  return answer === 'yes';
}
