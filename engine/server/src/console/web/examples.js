// The example descriptions that come with the server, and names for what is made from them.

import { request } from './api.js';

/** The examples with a browser's camera: file, words, and which elements send and show. */
export const EXAMPLES = [
  {
    name: 'loopback', file: 'webrtc-loopback', title: 'Loopback', icon: 'loop', publish: 'camera', play: 'camera',
    text: 'Your camera goes to the server and comes back. Nothing is decoded on the way.',
  },
  {
    name: 'magic-mirror', file: 'webrtc-magic-mirror', title: 'Magic mirror', icon: 'hat', publish: 'camera', play: 'camera',
    text: 'The server finds your face and puts a hat on it.',
  },
  {
    name: 'one-to-many', file: 'webrtc-one-to-many', title: 'One to many', icon: 'people', publish: 'presenter', play: 'audience',
    viewers: 'audience', text: 'You present; everybody who has the link sees you.',
  },
  {
    name: 'recorder', file: 'webrtc-recorder', title: 'Recorder', icon: 'record', publish: 'camera', play: 'camera',
    recorder: 'recorder', text: 'What your camera sees is written to a file on the server while you see yourself; then it is played.',
  },
];

/** The text of an example. */
export async function example(file) {
  const response = await request('GET', `/console/${file}.yaml`);
  return response.text();
}

/** A description that plays a file to browsers, again and again. */
export function playback(file) {
  return `name: playback
description: Plays a recording to browsers.
elements:
  film:
    type: player
    uri: ${JSON.stringify(file)}
    loop: true
  screen:
    type: webrtc
    direction: sendonly
    loopback: true
links:
  - film -> screen
`;
}

/** The name in a description. */
export function nameOf(text) {
  return text.match(/^name:\s*["']?([^\s"'#]+)/m)?.[1];
}

/** The description with a name that nobody has. */
export function renamed(text) {
  const name = (nameOf(text) ?? 'pipeline').replace(/-[0-9a-z]{5}$/, '');
  const letters = [...crypto.getRandomValues(new Uint8Array(5))].map((n) => (n % 36).toString(36)).join('');
  const line = `name: ${name}-${letters}`;
  return /^name:/m.test(text) ? text.replace(/^name:.*$/m, line) : `${line}\n${text}`;
}
