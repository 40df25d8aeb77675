// Short messages in the corner. Errors stay until they are closed.

import { h, icon } from './dom.js';
import { words } from './api.js';

/** Shows a sentence: 'good', 'warn' or 'bad'. */
export function notify(text, look = '') {
  const box = document.getElementById('notices');
  const notice = h(`div.notice${look ? `.${look}` : ''}`, { role: look === 'bad' ? 'alert' : undefined }, h('span', {}, text),
    h('button', { type: 'button', 'aria-label': 'Close this message', onclick: () => notice.remove() }, icon('close')));
  box.append(notice);
  while (box.children.length > 4) box.firstChild.remove();
  if (look !== 'bad') setTimeout(() => notice.remove(), 6000);
}

/** Shows what was thrown, with what was being tried: 'Stopping mirror'. */
export function report(error, doing) {
  if (error?.name === 'AbortError') return;
  // The token's dialog is open already.
  if (error?.status === 401) return;
  notify(doing ? `${doing}: ${words(error)}` : words(error), 'bad');
}
