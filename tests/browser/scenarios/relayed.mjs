// A loopback by WHIP through a TURN server alone, at both ends: the page is told the server's own relayed address and no
// other, and has none but a relayed one itself.

import { createSocket } from 'node:dgram';
import Turn from 'node-turn';

import { open, scenario, within } from '../driver.mjs';
import { rest } from '../rest.mjs';

/** A port that was free a moment ago. */
const freePort = () =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4').on('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });

await scenario(async ({ server, webrtc = {} }, undo) => {
  const port = await freePort();
  const turn = { address: `127.0.0.1:${port}`, user: 'me', password: 'secret' };
  // Relayed addresses are of another host than all others: who has permission for it has none for the peer's own.
  // Neither end takes this server's answers to CHANNEL_BIND. Until the last try has failed, packets that come by such a
  // channel are lost, which costs seven seconds; with coturn 4.6 the first picture is there after 1.4 s.
  const relay = new Turn({
    listeningIps: ['127.0.0.1'],
    listeningPort: port,
    relayIps: ['127.0.0.2'],
    authMech: 'long-term',
    credentials: { [turn.user]: turn.password },
  });
  relay.start();
  undo.push(() => relay.stop());
  const browser = await open();
  undo.push(() => browser.close());
  const page = await browser.page();
  const api = rest(page, server);
  const url = `turn:${turn.user}:${turn.password}@${turn.address}?transport=udp`;
  const name = await api.create({
    elements: { room: { type: 'webrtc', turn_servers: [url], ...webrtc } },
    links: ['room.video -> room.video'],
  });
  const call = page.evaluate(
    async ([server, name, turn]) => {
      const { lab } = window;
      const source = new lab.Canvas({ hue: 120 });
      const servers = [{ urls: `turn:${turn.address}?transport=udp`, username: turn.user, credential: turn.password }];
      const peer = new lab.Peer({ send: source.stream, servers, policy: 'relay' });
      const watch = new lab.Watch(peer.stream);
      let told = [];
      const rewrite = (sdp) => {
        if (!sdp.includes('a=setup:actpass')) told = sdp.match(/^a=candidate:.*$/gm) ?? [];
        const isOther = (line) => line.startsWith('a=candidate:') && !line.includes(' typ relay');
        return sdp.split('\r\n').filter((line) => !isOther(line)).join('\r\n');
      };
      const asked = performance.now();
      const { session } = await lab.whip.join(peer, `${server}/whip/${name}/room`, { gather: true, rewrite });
      const answered = performance.now() - asked;
      await watch.more(60);
      const colour = watch.colour();
      const seen = watch.seen();
      const report = [...(await peer.pc.getStats()).values()];
      const transport = report.find((s) => s.type === 'transport');
      const pair = report.find((s) => s.id === transport.selectedCandidatePairId);
      const kind = (id) => report.find((s) => s.id === id)?.candidateType ?? null;
      const kinds = [kind(pair.localCandidateId), kind(pair.remoteCandidateId)];
      await lab.whip.leave(session);
      peer.close();
      return { told: told.map((line) => line.trim()), answered, seen, colour, kinds };
    },
    [server, name, turn],
  );
  const result = await within(40_000, 'the relayed call', call);
  await api.remove(name);
  return result;
});
