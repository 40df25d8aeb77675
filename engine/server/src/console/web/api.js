// The server's REST interface. Every failure becomes an ApiError with words for people.

const TOKEN = 'anabranch-token';
const BASE = '/api/v1';

/** What went wrong, as the server said it (RFC 9457) or as the browser saw it. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.name = 'ApiError';
    this.status = status;
    this.code = problem.code ?? '';
    this.title = problem.title ?? '';
    // What the policy refuses has a place in the description, too.
    const refused = (problem.refused ?? []).map((one) => ({
      ...one, severity: 'error', code: 'not allowed', message: one.reason, labels: [],
      help: 'The server\'s configuration says what descriptions may name: files.read, files.write, network.',
    }));
    this.diagnostics = problem.diagnostics ?? refused;
    this.problem = problem;
  }
}

/** What went wrong in a sentence, whatever was thrown. */
export function words(error) {
  if (error?.status === 401) return token.get() ? 'The server does not know the token of this tab.' : 'The server wants a token.';
  if (error instanceof ApiError) {
    const text = error.message.charAt(0).toUpperCase() + error.message.slice(1);
    return /[.!?]$/.test(text) ? text : `${text}.`;
  }
  return error?.message ?? String(error);
}

/** The token of this tab. It goes when the tab is closed. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? '',
  set(value) {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  },
};

/** Called when the server wants a token or another one. */
let onUnauthorized = () => {};
export function whenUnauthorized(callback) {
  onUnauthorized = callback;
}

/** A request with this tab's token; throws ApiError unless it succeeds. */
export async function request(method, path, { body, type, accept, headers = {}, signal, keepalive } = {}) {
  const all = new Headers(headers);
  if (token.get()) all.set('Authorization', `Bearer ${token.get()}`);
  if (type) all.set('Content-Type', type);
  if (accept) all.set('Accept', accept);
  let response;
  try {
    response = await fetch(path, { method, headers: all, body, signal, keepalive, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, { code: 'unreachable', detail: 'The server cannot be reached.' });
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({ title: response.statusText }));
    if (response.status === 401) onUnauthorized(token.get() !== '');
    throw new ApiError(response.status, problem);
  }
  return response;
}

async function json(method, path, options = {}) {
  const response = await request(method, BASE + path, { accept: 'application/json', ...options });
  if (response.status === 204) return null;
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

const at = (id) => `/pipelines/${encodeURIComponent(id)}`;
const described = (text) => ({ body: text, type: /^\s*\{/.test(text) ? 'application/json' : 'application/yaml' });

export const pipelines = () => json('GET', '/pipelines').then((found) => found.pipelines ?? found);
export const pipeline = (id) => json('GET', at(id));
export const stats = (id) => json('GET', `${at(id)}/stats`);
export const create = (text, { keep } = {}) => json('POST', keep ? '/pipelines?keep=true' : '/pipelines', described(text));
export const change = (id, text) => json('PATCH', at(id), described(text));
export const start = (id) => json('POST', `${at(id)}/start`);
export const remove = (id) => json('DELETE', at(id));
export const check = (text) => json('POST', '/check', described(text));
export const catalogue = () => json('GET', '/elements').then((found) => found.elements);
export const server = () => json('GET', '/server');

/**
 * A pipeline's events, those before included, until it stops or `signal` ends it. Reconnects by itself, with growing
 * pauses, and says so to `onstate` ('open', 'lost', 'over').
 */
export async function events(id, onevent, onstate, signal) {
  let pause = 500;
  let seen = 0;
  let stopped = false;
  const take = (event) => {
    if (event.seq && event.seq <= seen) return;
    seen = event.seq || seen;
    stopped = event.event === 'state-changed' && event.state === 'stopped';
    onevent(event);
  };
  while (!signal.aborted) {
    try {
      const path = `${BASE}${at(id)}/events?after=${seen}`;
      const response = await request('GET', path, { accept: 'text/event-stream', signal });
      onstate('open');
      pause = 500;
      await readEvents(response.body, take);
      if (stopped) return onstate('over');
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return onstate('over', error);
    }
    if (signal.aborted) return undefined;
    onstate('lost');
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 10_000);
  }
  return undefined;
}

// EventSource cannot send a token in a header, and tokens in addresses end up in logs.
async function readEvents(body, onevent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) deliver(data.join('\n'), onevent);
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(5).replace(/^ /, ''));
      }
    }
  }
}

function deliver(text, onevent) {
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    return;
  }
  onevent(event);
}
