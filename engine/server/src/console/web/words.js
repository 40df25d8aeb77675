// Numbers and states as people read them.

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** 1,234 or 12.3: one digit after the point below 100. */
export function amount(value) {
  if (value === undefined || value === null || !Number.isFinite(value)) return '–';
  return (Math.abs(value) < 100 ? number : whole).format(value);
}

/** Bits a second: 850 kbit/s, 1.2 Mbit/s. */
export function bits(value) {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1e9) return `${amount(value / 1e9)} Gbit/s`;
  if (value >= 1e6) return `${amount(value / 1e6)} Mbit/s`;
  return `${whole.format(value / 1e3)} kbit/s`;
}

/** Bytes: 12 MB. */
export function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]]) {
    if (value >= size) return `${amount(value / size)} ${unit}`;
  }
  return `${whole.format(value)} B`;
}

/** Milliseconds: 12 ms, 1.2 s. */
export function millis(value) {
  if (!Number.isFinite(value)) return '–';
  return value >= 10_000 ? `${amount(value / 1000)} s` : `${amount(value)} ms`;
}

/** Frames a second. */
export function fps(value) {
  return Number.isFinite(value) ? `${amount(value)} fps` : '–';
}

/** A share of one processor. */
export function percent(value) {
  return Number.isFinite(value) ? `${amount(value)} %` : '–';
}

/** Seconds as a length of time: 3 s, 4:05, 1:02:03. */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const all = Math.max(0, Math.floor(seconds));
  if (all < 60) return `${all} s`;
  const two = (n) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`;
}

/** 1 element, 2 elements. */
export function count(n, what, many = `${what}s`) {
  return `${whole.format(n)} ${n === 1 ? what : many}`;
}

const FORMATS = {
  'raw-video': 'raw video', 'raw-audio': 'raw audio', h264: 'H.264', h265: 'H.265', vp8: 'VP8', vp9: 'VP9', av1: 'AV1',
  opus: 'Opus', vorbis: 'Vorbis', aac: 'AAC', mp3: 'MP3', flac: 'FLAC', pcmu: 'PCMU', pcma: 'PCMA', mpeg2: 'MPEG-2',
  mjpeg: 'JPEG',
};

/** A format's name: H.264. */
export function format(name) {
  return FORMATS[name] ?? String(name);
}

/** Any JSON value on one line; numbers with three digits. */
export function value(json) {
  if (typeof json === 'number') return Number.isInteger(json) ? String(json) : String(Number(json.toPrecision(3)));
  if (Array.isArray(json)) return json.length ? `[${json.map(value).join(', ')}]` : 'none';
  if (json !== null && typeof json === 'object') return `{${Object.entries(json).map(([name, one]) => `${name} ${value(one)}`).join(', ')}}`;
  return String(json);
}

const STATES = {
  building: ['quiet', 'created'], starting: ['busy', 'starting'], running: ['good', 'running'],
  draining: ['busy', 'finishing'], stopping: ['busy', 'stopping'], stopped: ['quiet', 'stopped'],
  done: ['quiet', 'done'], failed: ['bad', 'failed'], 'timed-out': ['bad', 'timed out'],
  new: ['quiet', 'not connected'], connecting: ['busy', 'connecting'], connected: ['good', 'connected'],
  disconnected: ['warn', 'interrupted'], closed: ['quiet', 'closed'],
};

/** A state's look (good, busy, warn, bad, quiet) and word. */
export function state(name) {
  return STATES[name] ?? ['quiet', String(name ?? 'unknown')];
}
