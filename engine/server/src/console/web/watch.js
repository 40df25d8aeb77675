// For viewers: one element's output, as large as the window, and how it is.

import { words } from './api.js';
import { button, fill, h, say } from './dom.js';
import { play } from './peer.js';
import { bits, fps, millis, state } from './words.js';

/** Pauses between tries, milliseconds. */
const PAUSES = [500, 1000, 2000, 4000, 8000];

export function show(root, [pipeline, element]) {
  const badge = h('span.badge', { id: 'watch-state' }, '…');
  const note = h('p.quiet', { 'aria-live': 'polite' });
  const numbers = h('span.quiet');
  const video = h('video', { autoplay: true, playsinline: true, muted: true, 'aria-label': `${element} of ${pipeline}`, id: 'watched' });
  const sound = h('button.plain', { type: 'button', onclick: () => {
    video.muted = !video.muted;
    say(sound, video.muted ? 'Sound on' : 'Sound off');
  } }, 'Sound on');
  const full = button('plain', 'full', 'Full screen', () => video.requestFullscreen?.());
  root.append(
    h('div.head', {}, h('div.grow', {}, h('div.row', {}, h('h1', {}, pipeline), badge), note), numbers, sound, full),
    h('div.card.stage', {}, video));
  let peer = null;
  let closed = false;
  let timer = 0;
  let tries = 0;

  const tell = (name) => {
    const [look, word] = state(name);
    badge.className = `badge ${look}`;
    say(badge, name === 'connected' ? 'live' : word);
  };

  async function begin() {
    tell('connecting');
    try {
      const made = await play(`/whep/${encodeURIComponent(pipeline)}/${encodeURIComponent(element)}`, {
        onstate: (now) => { tell(now); if (now === 'connected') { tries = 0; say(note, ''); } },
        onclose: () => again('The connection is lost.'),
      });
      if (closed) return made.close();
      peer = made;
      video.srcObject = made.stream;
    } catch (error) {
      if (closed) return undefined;
      if (error.status === 401 || error.status === 403 || !navigator.onLine) {
        tell('failed');
        fill(note, words(error));
      } else if (error.status === 404) {
        tell('closed');
        fill(note, 'Nothing is shown here now. ', h('a', { href: location.hash, onclick: retry }, 'Try again'));
      } else {
        again(words(error));
      }
    }
    return undefined;
  }

  function retry(event) {
    event.preventDefault();
    begin();
  }

  function again(text) {
    if (closed) return;
    peer = null;
    tell('disconnected');
    const pause = PAUSES[Math.min(tries, PAUSES.length - 1)];
    tries += 1;
    say(note, `${text} Trying again.`);
    clearTimeout(timer);
    timer = setTimeout(begin, pause);
  }

  const counter = setInterval(async () => {
    const now = await peer?.measure().catch(() => null);
    if (!now || now.fps === undefined) return;
    say(numbers, [`${now.width} × ${now.height}`, fps(now.fps), bits(now.bits), now.roundTrip !== undefined && `round trip ${millis(now.roundTrip)}`]
      .filter(Boolean).join(', '));
  }, 1000);
  begin();
  return {
    title: `${pipeline}, live`,
    close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(counter);
      peer?.close();
    },
  };
}
