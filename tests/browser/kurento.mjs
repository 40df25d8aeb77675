// An application of kurento-client 7.3.0, unmodified, as the tutorials write it: Node holds the client, the page the
// RTCPeerConnection, and Node passes SDP and candidates between them.

import kurento from 'kurento-client';
import { within } from './driver.mjs';

const IceCandidate = kurento.getComplexType('IceCandidate');

/** Connects to the server. `undo` closes the client. */
export async function connect(server, undo) {
  const client = await within(10_000, 'kurento-client', kurento(`${server.replace(/^http/, 'ws')}/kurento`));
  undo?.push(() => client.close());
  return client;
}

/** An application's page: hands candidates from its peers to their endpoints. */
export class Application {
  #endpoints = new Map();
  #queues = new Map();

  constructor(page) {
    this.page = page;
  }

  /** Once per page, before the first call. */
  async prepare() {
    await this.page.exposeFunction('candidateOf', async (id, candidate) => {
      const complex = IceCandidate(candidate);
      const endpoint = this.#endpoints.get(id);
      // As the tutorials do: what comes before the endpoint exists is queued.
      if (endpoint) await endpoint.addIceCandidate(complex);
      else this.#queues.set(id, [...(this.#queues.get(id) ?? []), complex]);
    });
    return this;
  }

  /**
   * Makes the page's peer `id` and its offer. `peer` is what `lab.Peer` takes, `send` names a canvas or `camera`,
   * `watch` says whether what arrives is looked at.
   */
  offer(id, { send = null, receive = ['video'], data = false, codec = null, inspect = false } = {}) {
    return this.page.evaluate(
      async ({ id, send, receive, data, codec, inspect }) => {
        const { lab } = window;
        let stream = null;
        if (send === 'camera') stream = lab.cameraStream ??= await lab.camera();
        else if (send) stream = (lab.canvases[send.name] ??= new lab.Canvas(send)).stream;
        const peer = (lab.peers[id] = new lab.Peer({ send: stream, receive, data, codec }));
        peer.onCandidate = (candidate) => window.candidateOf(id, candidate);
        if (receive.length) {
          const note = (video, value) => ({ value, ...lab.ribbon(video) });
          lab.watches[id] = new lab.Watch(peer.stream, { inspect: inspect ? note : null });
        }
        return peer.offer();
      },
      { id, send, receive, data, codec, inspect },
    );
  }

  /**
   * Joins a peer of the page to an endpoint: listens for its candidates, hands over the offer, connects what `wire`
   * connects, gathers. Resolves when the page has the answer.
   */
  async join(id, endpoint, offer, wire = async () => {}) {
    this.#endpoints.set(id, endpoint);
    for (const candidate of this.#queues.get(id) ?? []) endpoint.addIceCandidate(candidate);
    this.#queues.delete(id);
    endpoint.on('IceCandidateFound', async ({ candidate }) => {
      const { candidate: line, sdpMid, sdpMLineIndex } = candidate;
      await this.page
        .evaluate(([id, candidate]) => window.lab.early(id, candidate), [id, { candidate: line, sdpMid, sdpMLineIndex }])
        // The page may be gone when the last candidates come.
        .catch(() => {});
    });
    await wire();
    const [answer] = await Promise.all([
      endpoint.processOffer(offer),
      endpoint.gatherCandidates(),
    ]);
    await this.page.evaluate(([id, sdp]) => window.lab.answered(id, sdp), [id, answer]);
    return answer;
  }

  /** Waits until the page has seen so many frames of that peer, from now on if `fresh`. */
  frames(id, count, { fresh = false, limit = 15_000 } = {}) {
    const seen = this.page.evaluate(
      async ([id, count, fresh]) => {
        const watch = window.lab.watches[id];
        if (fresh) watch.forget();
        await watch.until((w) => w.frames >= count);
        return watch.seen();
      },
      [id, count, fresh],
    );
    return within(limit, `${count} frames of ${id}`, seen).catch(async (error) => {
      // What the page knows of it, for whoever looks for the cause.
      const known = await within(2_000, 'statistics', this.page.evaluate((id) => window.lab.peers[id].told(), id));
      throw new Error(`${error.message}; the page's peer: ${JSON.stringify(known)}`);
    });
  }

  /** The mean colour of what that peer shows. */
  colour(id) {
    return this.page.evaluate((id) => window.lab.watches[id].colour(), id);
  }

  stats(id) {
    return this.page.evaluate((id) => window.lab.peers[id].stats(), id);
  }

  /** Ends the page's side. */
  close(id) {
    return this.page.evaluate((id) => {
      window.lab.watches[id]?.stop();
      window.lab.peers[id].close();
      delete window.lab.watches[id];
      delete window.lab.peers[id];
    }, id);
  }
}

/** The event of that name, the next time it comes. */
export function event(object, name, limit = 15_000) {
  return within(limit, name, new Promise((resolve) => object.once(name, resolve)));
}
