// Endpoints, hubs and filters of kurento-client, without a browser: films go through them into recordings, which whoever
// started this looks at.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';

import { scenario, within } from '../driver.mjs';
import { connect, event } from '../kurento.mjs';

/** An even UDP port that is free. */
async function port() {
  for (;;) {
    const socket = createSocket('udp4');
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    await new Promise((resolve) => socket.close(resolve));
    if (port % 2 === 0) return port;
  }
}

/** ffmpeg with these arguments; resolves when it has ended well. */
function ffmpeg(...args) {
  const child = spawn('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const done = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`ffmpeg: ${code} ${said}`))));
  });
  return { child, done };
}

await scenario(async ({ server, folder, red, blue }, undo) => {
  const client = await connect(server, undo);
  const failures = [];

  /** A pipeline that is released at the end of its part. */
  async function part(work) {
    const pipeline = await client.create('MediaPipeline');
    pipeline.on('Error', (error) => failures.push(error.description));
    try {
      return await work(pipeline);
    } finally {
      await pipeline.release();
    }
  }

  const player = (pipeline, uri) => pipeline.create('PlayerEndpoint', { uri });
  const recorder = (pipeline, name, mediaProfile = 'WEBM') =>
    pipeline.create('RecorderEndpoint', { uri: `${folder}/${name}.webm`, mediaProfile });
  const ends = (player) => event(player, 'EndOfStream', 30_000);

  /** Two players behind ports of a hub, and a third port that is recorded; `wire` says who gets whom. */
  const hub = (type, options, name, wire) =>
    part(async (pipeline) => {
      const hub = await pipeline.create(type, options);
      const players = [await player(pipeline, red), await player(pipeline, blue)];
      const ports = [];
      for (const one of players) {
        const port = await hub.createHubPort();
        await one.connect(port);
        ports.push(port);
      }
      const out = await hub.createHubPort();
      const film = await recorder(pipeline, name);
      await out.connect(film);
      await wire(hub, ports, out);
      await film.record();
      const flows = event(film, 'MediaFlowInStateChanged');
      const over = players.map(ends);
      for (const one of players) await one.play();
      await flows;
      await Promise.all(over);
      await film.stopAndWait();
    });

  await hub('Composite', { width: 640, height: 240, framerate: 15 }, 'composite', async () => {});
  await hub('Dispatcher', {}, 'dispatcher', (hub, [, blue], out) => hub.connect(blue, out));
  await hub('DispatcherOneToMany', {}, 'one-to-many', (hub, [red]) => hub.setSource(red.id));
  await hub('Mixer', {}, 'mixer', async (hub, [red, blue], out) => {
    await hub.connect('VIDEO', red, out);
    await hub.connect('AUDIO', red, out);
    await hub.connect('AUDIO', blue, out);
  });
  await hub('AlphaBlending', {}, 'blending', async (hub, [red, blue]) => {
    // kurento-client turns an object into its id only beside some others (KurentoClient.js, serializeParams).
    await hub.setMaster(red.id, 0);
    await hub.setPortProperties(0.5, 0.5, 5, 0.5, 0.5, blue.id);
  });

  // A filter made of one of GStreamer's elements, changed while media pass.
  await part(async (pipeline) => {
    const one = await player(pipeline, red);
    const filter = await pipeline.create('GStreamerFilter', { command: 'videobalance', filterType: 'VIDEO' });
    const film = await recorder(pipeline, 'grey');
    await filter.setElementProperty('saturation', '0.0');
    await one.connect(filter);
    await filter.connect(film);
    await film.record();
    const over = ends(one);
    await one.play();
    await over;
    await film.stopAndWait();
  });

  // RTP from ffmpeg, and back to it.
  const rtp = await part(async (pipeline) => {
    const endpoint = await pipeline.create('RtpEndpoint');
    const film = await recorder(pipeline, 'rtp', 'WEBM_VIDEO_ONLY');
    await endpoint.connect(film, 'VIDEO');
    await endpoint.connect(endpoint, 'VIDEO');
    const back = await port();
    const started = event(endpoint, 'MediaSessionStarted');
    const head = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=ffmpeg\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n';
    const answer = await endpoint.processOffer(`${head}m=video ${back} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n`);
    await started;
    const to = /^m=video (\d+) /m.exec(answer)[1];
    const flows = event(endpoint, 'MediaFlowOutStateChanged');
    await film.record();
    const sender = ffmpeg('-re', '-i', red.replace('file://', ''), '-an', '-c', 'copy', '-f', 'rtp', `rtp://127.0.0.1:${to}?localrtpport=${back + 2}`);
    const flow = await within(20_000, 'RTP', flows);
    await sender.done;
    const stats = Object.values(await endpoint.getStats());
    await film.stopAndWait();
    return { flow: flow.state, inbound: stats.filter((s) => s.type === 'inboundrtp').map((s) => s.packetsReceived) };
  });

  // A body of HTTP.
  const post = await part(async (pipeline) => {
    const endpoint = await pipeline.create('HttpPostEndpoint', { disconnectionTimeout: 1 });
    const film = await recorder(pipeline, 'post');
    await endpoint.connect(film);
    await film.record();
    const url = await endpoint.getUrl();
    const [started, over, gone] = ['MediaSessionStarted', 'EndOfStream', 'MediaSessionTerminated'].map((name) =>
      event(endpoint, name, 30_000),
    );
    const body = await readFile(blue.replace('file://', ''));
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'video/webm' } });
    const came = [(await started).type, (await over).type, (await gone).type];
    await film.stopAndWait();
    return { url, status: response.status, came };
  });

  return { rtp, post, failures };
});
