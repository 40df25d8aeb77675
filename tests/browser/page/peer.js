// One RTCPeerConnection, with what a test needs of it.

/** A peer of the page. Signalling is up to whoever made it. */
export class Peer {
  constructor({ send = null, receive = ['video'], data = false, codec = null, servers = [], policy = 'all' } = {}) {
    this.pc = new RTCPeerConnection({ iceServers: servers, iceTransportPolicy: policy, bundlePolicy: 'max-bundle' });
    /** All that arrives. */
    this.stream = new MediaStream();
    this.tracks = 0;
    this.candidates = [];
    this.onCandidate = null;
    this.pc.ontrack = ({ track }) => {
      this.stream.addTrack(track);
      this.tracks++;
    };
    this.pc.onicecandidate = ({ candidate }) => {
      if (!candidate) return;
      this.candidates.push(candidate.toJSON());
      this.onCandidate?.(candidate.toJSON());
    };
    const sending = send?.getTracks() ?? [];
    for (const track of sending) {
      const direction = receive.includes(track.kind) ? 'sendrecv' : 'sendonly';
      this.#prefer(this.pc.addTransceiver(track, { direction, streams: [send] }), codec);
    }
    for (const kind of receive) {
      if (!sending.some((track) => track.kind === kind)) {
        this.#prefer(this.pc.addTransceiver(kind, { direction: 'recvonly' }), codec);
      }
    }
    if (data) this.channel = this.pc.createDataChannel('echo', data === true ? {} : data);
  }

  #prefer(transceiver, codec) {
    if (!codec || transceiver.receiver.track.kind !== 'video') return;
    const all = RTCRtpReceiver.getCapabilities('video').codecs;
    const wanted = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`);
    const rest = all.filter(({ mimeType }) => /rtx|red|ulpfec/i.test(mimeType));
    transceiver.setCodecPreferences([...wanted, ...rest]);
  }

  /** Makes the offer and returns its SDP; candidates follow. */
  async offer(options) {
    await this.pc.setLocalDescription(await this.pc.createOffer(options));
    return this.pc.localDescription.sdp;
  }

  /** The SDP with all candidates of this side in it. */
  async gathered() {
    if (this.pc.iceGatheringState !== 'complete') {
      await new Promise((resolve) => {
        this.pc.addEventListener('icegatheringstatechange', () => {
          if (this.pc.iceGatheringState === 'complete') resolve();
        });
      });
    }
    return this.pc.localDescription.sdp;
  }

  answered(sdp) {
    return this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: 'offer', sdp });
    await this.pc.setLocalDescription(await this.pc.createAnswer());
    return this.pc.localDescription.sdp;
  }

  add(candidate) {
    return this.pc.addIceCandidate(candidate);
  }

  /** Resolves when the connection is in that state. */
  state(wanted) {
    if (this.pc.connectionState === wanted) return Promise.resolve();
    return new Promise((resolve) => {
      this.pc.addEventListener('connectionstatechange', () => {
        if (this.pc.connectionState === wanted) resolve();
      });
    });
  }

  /** The statistics of the video, both ways, with bits so far and the estimate. */
  async stats() {
    const report = [...(await this.pc.getStats()).values()];
    const one = (type, kind = 'video') => report.find((s) => s.type === type && s.kind === kind) ?? null;
    const transport = report.find((s) => s.type === 'transport');
    const pair = report.find((s) => s.id === transport?.selectedCandidatePairId) ?? null;
    return {
      at: performance.now(),
      out: one('outbound-rtp'),
      in: one('inbound-rtp'),
      remote: one('remote-inbound-rtp'),
      pair,
      codecs: report.filter((s) => s.type === 'codec').map((s) => s.mimeType),
    };
  }

  /** States and counters that tell why nothing is seen. */
  async told() {
    const { connectionState: connection, iceConnectionState: ice, signalingState: signalling } = this.pc;
    const { in: seen, pair } = await this.stats();
    const names = ['packetsReceived', 'packetsLost', 'framesReceived', 'framesDecoded', 'keyFramesDecoded', 'pliCount',
      'firCount', 'nackCount', 'framesDropped', 'ssrc', 'freezeCount'];
    const counts = Object.fromEntries(names.map((name) => [name, seen?.[name] ?? null]));
    return { connection, ice, signalling, ...counts, bytesReceived: pair?.bytesReceived ?? null };
  }

  close() {
    this.pc.close();
  }
}

/** Bits per second between two statistics of what is sent. */
export const rate = (a, b) => ((b.out.bytesSent - a.out.bytesSent) * 8000) / (b.at - a.at);
