// Janus's EchoTest by its HTTP API: the peer that benchmarks compare with.

const ask = async (url, body) => {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ transaction: `${Math.random()}`, ...body }) });
  const answer = await response.json();
  if (answer.janus === 'error') throw new Error(JSON.stringify(answer.error));
  return answer;
};

/** A session with the plugin attached: what comes before an offer. */
export async function attach(url) {
  const session = `${url}/${(await ask(url, { janus: 'create' })).data.id}`;
  const handle = `${session}/${(await ask(session, { janus: 'attach', plugin: 'janus.plugin.echotest' })).data.id}`;
  return { session, handle };
}

/** Sends a peer's offer and gives it the answer. */
export async function join(peer, { session, handle }) {
  await peer.offer();
  const sdp = await peer.gathered();
  // Its answer comes by the session's event poll, which is there before the question.
  const answered = (async () => {
    for (;;) {
      const event = await (await fetch(`${session}?maxev=1`)).json();
      if (event.jsep) return event.jsep.sdp;
    }
  })();
  const asked = performance.now();
  await ask(handle, { janus: 'message', body: { video: true, audio: false }, jsep: { type: 'offer', sdp } });
  const answer = await answered;
  await peer.answered(answer);
  return { asked, answer };
}

/** Ends it. */
export const leave = ({ session }) => ask(session, { janus: 'destroy' });
