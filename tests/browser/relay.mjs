// Talks to the relay of the Rust harness (tests/harness/src/relay.rs): one JSON object a line, each way.

import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';

/** Connects to the relay's control address, `host:port`. */
export async function relay(address, undo) {
  const [host, port] = address.split(':');
  const socket = createConnection({ host, port: Number(port) });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  undo?.push(() => socket.end());
  const answers = [];
  createInterface({ input: socket }).on('line', (line) => answers.shift()?.(JSON.parse(line)));
  const ask = (question) =>
    new Promise((resolve, reject) => {
      answers.push((answer) => (answer.error ? reject(new Error(answer.error)) : resolve(answer)));
      socket.write(`${JSON.stringify(question)}\n`);
    });
  return {
    /** An SDP whose candidates lead through the relay. */
    rewrite: async (sdp) => (await ask({ rewrite: sdp })).text,
    /** Sets loss (0..1), delay and jitter (ms), rate (kbit/s, 0: any), for both directions. */
    conditions: (conditions) => ask({ conditions }),
    /** What went through so far. */
    counters: () => ask({ counters: {} }),
  };
}
