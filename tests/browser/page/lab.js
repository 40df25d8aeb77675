// What scenarios find in the page: window.lab.

import * as bench from './bench.js';
import * as cells from './cells.js';
import * as peer from './peer.js';
import * as sources from './sources.js';
import * as watch from './watch.js';
import * as whip from './whip.js';

window.lab = { ...cells, ...sources, ...watch, ...peer, whip, bench, peers: {}, watches: {}, canvases: {} };

// Candidates may come before the answer; a peer connection takes them only after it.
const waiting = {};

window.lab.early = (id, candidate) => {
  const peer = window.lab.peers[id];
  if (!peer) return undefined;
  if (peer.pc.remoteDescription) return peer.add(candidate);
  (waiting[id] ??= []).push(candidate);
  return undefined;
};

window.lab.answered = async (id, sdp) => {
  await window.lab.peers[id].answered(sdp);
  for (const candidate of waiting[id]?.splice(0) ?? []) await window.lab.peers[id].add(candidate);
};
