// WebRTC with the server: WHIP publishes, WHEP plays. One request each way; candidates that come late follow.

import { request } from './api.js';

const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';
/** How long the offer waits for candidates: those of the machine itself are there at once. */
const GATHERING = 60;

/** A camera and microphone, or why there is none in words. */
export async function camera(wanted) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error('The browser gives cameras to pages of this machine or over https only. Open the console by '
      + 'http://localhost or http://127.0.0.1, or give the server a certificate.');
  }
  try {
    return await navigator.mediaDevices.getUserMedia(wanted);
  } catch (error) {
    const words = {
      NotAllowedError: 'The browser does not let this page use the camera. Allow it beside the address, then try again.',
      NotFoundError: 'There is no camera.',
      NotReadableError: 'The camera is used by another program.',
      OverconstrainedError: 'The camera cannot give the size that was asked for.',
    };
    throw new Error(words[error.name] ?? `The camera cannot be used: ${error.message}`);
  }
}

/** Sends a stream into an element. */
export async function publish(address, stream, options = {}) {
  const peer = new Peer(address, options);
  for (const track of stream.getTracks()) {
    const { sender } = peer.connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    if (track.kind === 'video') peer.videoSender = sender;
  }
  await peer.join();
  return peer;
}

/** Plays an element: `stream` of the result has what comes. */
export async function play(address, options = {}) {
  const peer = new Peer(address, options);
  for (const kind of ['video', 'audio']) {
    const { receiver } = peer.connection.addTransceiver(kind, { direction: 'recvonly' });
    // Live pictures: as little as possible waits.
    receiver.jitterBufferTarget = 0;
  }
  await peer.join();
  return peer;
}

class Peer {
  #session = null;
  #tag = '';
  #late = [];
  #closed = false;

  /** `onstate` gets the connection's state, `onclose` is called once when it ends otherwise than by `close()`. */
  constructor(address, { onstate = () => {}, onclose = () => {} }) {
    this.address = address;
    this.stream = new MediaStream();
    this.connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.connection.addEventListener('track', ({ track }) => this.stream.addTrack(track));
    this.connection.addEventListener('icecandidate', ({ candidate }) => candidate && this.#candidate(candidate));
    this.connection.addEventListener('connectionstatechange', () => {
      if (this.#closed) return;
      onstate(this.connection.connectionState);
      if (this.connection.connectionState === 'failed') {
        this.close();
        onclose('failed');
      }
    });
    // A tab that is closed says goodbye; otherwise the server notices after some seconds.
    this.leave = () => this.close();
    addEventListener('pagehide', this.leave);
  }

  async join() {
    try {
      await this.connection.setLocalDescription();
      await gathered(this.connection);
      this.#late = [];
      const response = await request('POST', this.address, {
        body: this.connection.localDescription.sdp, type: SDP, accept: SDP,
      });
      this.#session = response.headers.get('Location');
      this.#tag = response.headers.get('ETag') ?? '*';
      const iceServers = serversOf(response.headers.get('Link'));
      if (iceServers.length) this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers });
      await this.connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
      this.#send();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #candidate(candidate) {
    this.#late.push(candidate);
    if (this.#session) this.#send();
  }

  /** Sends the candidates that came after the offer. */
  #send() {
    const late = this.#late.splice(0);
    if (!late.length || this.#closed) return;
    const { sdp } = this.connection.localDescription;
    const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0];
    const body = [line('ice-ufrag'), line('ice-pwd'), 'm=audio 9 UDP/TLS/RTP/SAVPF 0', `a=mid:${late[0].sdpMid}`,
      ...late.map(({ candidate }) => `a=${candidate}`), ''].join('\r\n');
    request('PATCH', this.#session, { body, type: FRAGMENT, headers: { 'If-Match': this.#tag } }).catch(() => {});
  }

  /** Ends it; the promise is kept when the server knows. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    removeEventListener('pagehide', this.leave);
    try {
      // First the server's word, then the connection: it would take one that breaks off for a peer that has vanished.
      if (this.#session) await request('DELETE', this.#session, { keepalive: true });
    } catch {
      // It is gone there already.
    }
    this.connection.close();
  }

  /** What the browser measures: milliseconds, bits a second, frames a second. */
  async measure() {
    const report = await this.connection.getStats();
    const all = [...report.values()];
    const now = { time: performance.now() / 1000 };
    const pair = all.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    if (pair?.currentRoundTripTime !== undefined) now.roundTrip = pair.currentRoundTripTime * 1000;
    for (const s of all) {
      if (s.kind !== 'video') continue;
      if (s.type === 'inbound-rtp' || s.type === 'outbound-rtp') {
        Object.assign(now, {
          bytes: s.bytesReceived ?? s.bytesSent, frames: s.framesDecoded ?? s.framesEncoded, lost: s.packetsLost,
          width: s.frameWidth, height: s.frameHeight, codec: report.get(s.codecId)?.mimeType?.replace('video/', ''),
          dropped: s.framesDropped, freezes: s.freezeCount,
          held: s.jitterBufferDelay, emitted: s.jitterBufferEmittedCount, decoding: s.totalDecodeTime,
          encoding: s.totalEncodeTime,
        });
      }
      if (s.type === 'remote-inbound-rtp' && s.roundTripTime !== undefined) now.roundTrip ??= s.roundTripTime * 1000;
    }
    const before = this.before;
    this.before = now;
    if (!before || now.frames === undefined || before.frames === undefined) return now;
    const seconds = now.time - before.time;
    const frames = now.frames - before.frames;
    now.fps = frames / seconds;
    now.bits = (now.bytes - before.bytes) * 8 / seconds;
    if (now.emitted > before.emitted) now.buffer = 1000 * (now.held - before.held) / (now.emitted - before.emitted);
    if (frames > 0 && now.decoding !== undefined) now.decode = 1000 * (now.decoding - before.decoding) / frames;
    if (frames > 0 && now.encoding !== undefined) now.encode = 1000 * (now.encoding - before.encoding) / frames;
    return now;
  }
}

function gathered(connection) {
  return new Promise((done) => {
    const timer = setTimeout(done, GATHERING);
    connection.addEventListener('icegatheringstatechange', () => {
      if (connection.iceGatheringState !== 'complete') return;
      clearTimeout(timer);
      done();
    });
  });
}

/** STUN and TURN servers that the server names in Link headers. */
function serversOf(links) {
  const found = [];
  for (const link of links?.split(/,\s*(?=<)/) ?? []) {
    const [, address, rest] = link.match(/^<([^>]+)>(.*)$/) ?? [];
    if (!address || !/rel="?ice-server"?/.test(rest)) continue;
    const value = (name) => rest.match(new RegExp(`${name}="?([^";]*)"?`))?.[1];
    found.push({ urls: address, username: value('username'), credential: value('credential') });
  }
  return found;
}
