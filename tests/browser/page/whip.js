// WHIP and WHEP with nothing but fetch: the whole client.

/** POSTs a peer's offer, gives it the answer, and returns where the session lives. `rewrite` sees both SDPs. */
export async function join(peer, url, { token = null, gather = false, rewrite = (sdp) => sdp } = {}) {
  let sdp = await peer.offer();
  if (gather) sdp = await peer.gathered();
  const headers = { 'Content-Type': 'application/sdp', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const asked = performance.now();
  const response = await fetch(url, { method: 'POST', headers, body: await rewrite(sdp) });
  if (response.status !== 201) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
  const answer = await rewrite(await response.text());
  await peer.answered(answer);
  return { session: new URL(response.headers.get('Location'), url).href, asked, answer };
}

/** Ends the session; one whose peer said goodbye may have ended already. */
export async function leave(session, { token = null } = {}) {
  const response = await fetch(session, { method: 'DELETE', headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!response.ok && response.status !== 404) throw new Error(`DELETE ${session}: ${response.status}`);
}

/** Asks for other ways through the network while media flow; the new fragment goes into the answer that is there. */
export async function restart(peer, session) {
  const { pc } = peer;
  const offer = await peer.offer({ iceRestart: true });
  const line = (sdp, name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))[0].trim();
  const body = `${line(offer, 'ice-ufrag')}\r\n${line(offer, 'ice-pwd')}\r\n`;
  const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' };
  const response = await fetch(session, { method: 'PATCH', headers, body });
  if (response.status !== 200) throw new Error(`PATCH ${session}: ${response.status} ${await response.text()}`);
  const fragment = await response.text();
  const before = line(pc.remoteDescription.sdp, 'ice-ufrag');
  const candidates = fragment.match(/^a=candidate:.*\r?$/gm).map((c) => `${c.trim()}\r\n`).join('');
  const sdp = pc.remoteDescription.sdp
    .replace(/^a=candidate:.*\r\n/gm, '')
    .replace(/^a=end-of-candidates\r\n/gm, '')
    .replace(/^a=ice-ufrag:.*$/gm, `${line(fragment, 'ice-ufrag')}\r`)
    .replace(/^a=ice-pwd:.*$/gm, `${line(fragment, 'ice-pwd')}\r`)
    .replace(/\r\r/g, '\r')
    .replace(/^(a=ice-pwd:.*\r\n)/m, `$1${candidates}`);
  await peer.answered(sdp);
  return { before, after: line(fragment, 'ice-ufrag') };
}
