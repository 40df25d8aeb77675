// A bare page: makes the pipeline by REST, publishes by WHIP and plays by WHEP, each with fetch alone. Then one peer
// does both ways at once, and everything is given back.

import { open, scenario, within } from '../driver.mjs';
import { rest } from '../rest.mjs';

await scenario(async ({ server, webrtc = {} }, undo) => {
  const browser = await open();
  undo.push(() => browser.close());
  const page = await browser.page();
  const api = rest(page, server);
  const name = await api.create({
    elements: { room: { type: 'webrtc', ...webrtc } },
    links: ['room.video -> room.video'],
  });

  const apart = page.evaluate(
    async ([server, name]) => {
      const { lab } = window;
      const source = (lab.canvases.room = new lab.Canvas({ hue: 30 }));
      const sender = new lab.Peer({ send: source.stream, receive: [] });
      const published = await lab.whip.join(sender, `${server}/whip/${name}/room`);
      await sender.state('connected');
      const receiver = new lab.Peer({});
      const watch = new lab.Watch(receiver.stream);
      const played = await lab.whip.join(receiver, `${server}/whep/${name}/room`);
      await watch.more(60);
      const colour = watch.colour();
      const seen = { ...watch.seen(), took: watch.first - played.asked };
      // A second publisher is refused while the first is there.
      const rival = new lab.Peer({ send: source.stream, receive: [] });
      const refused = await lab.whip.join(rival, `${server}/whip/${name}/room`).catch((e) => e.message);
      rival.close();
      await lab.whip.leave(played.session);
      receiver.close();
      watch.stop();
      await lab.whip.leave(published.session);
      sender.close();
      return { seen, colour, refused };
    },
    [server, name],
  );
  const whipAndWhep = await within(30_000, 'WHIP and WHEP', apart);

  const both = page.evaluate(
    async ([server, name]) => {
      const { lab } = window;
      const peer = new lab.Peer({ send: lab.canvases.room.stream });
      const watch = new lab.Watch(peer.stream);
      const { session, asked } = await lab.whip.join(peer, `${server}/whip/${name}/room`);
      await watch.more(60);
      const stats = await peer.stats();
      const seen = { ...watch.seen(), took: watch.first - asked };
      const { before, after } = await lab.whip.restart(peer, session);
      watch.forget();
      await watch.more(60);
      const restarted = { ...watch.seen(), other_name: before !== after, state: peer.pc.iceConnectionState };
      await lab.whip.leave(session);
      peer.close();
      return { seen, codecs: stats.codecs, restarted };
    },
    [server, name],
  );
  const loopback = await within(20_000, 'the loopback', both);
  const status = await api.remove(name);
  return { apart: whipAndWhep, loopback, removed: status };
});
