// How values are shown.

const pad = (number, digits = 2) => String(number).padStart(digits, '0');

// The hub writes "0001-01-01T00:00:00" for never.
export function parseTime(text) {
  if (typeof text !== 'string' || text.startsWith('0001-')) return null;
  const time = new Date(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(time.getTime()) ? null : time;
}

// "2026-01-05 10:00:01.123", in the time zone of the browser.
export function fullTime(text, fraction = false) {
  const time = text instanceof Date ? text : parseTime(text);
  if (!time) return 'never';
  const day = `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`;
  return `${day} ${clockTime(time, fraction)}`;
}

export function clockTime(text, fraction = false) {
  const time = text instanceof Date ? text : parseTime(text);
  if (!time) return 'never';
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
  return fraction ? `${clock}.${pad(time.getMilliseconds(), 3)}` : clock;
}

// "12 s ago", by the hub's clock.
export function ago(text, now) {
  const time = parseTime(text);
  if (!time) return 'never';
  const seconds = Math.round((now - time.getTime()) / 1000);
  if (seconds < 1) return 'just now';
  return `${duration(seconds * 1000)} ago`;
}

export function duration(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export const count = (number) => (typeof number === 'number' ? number.toLocaleString('en-US') : '–');

export function rate(number) {
  if (!Number.isFinite(number)) return '–';
  return number >= 100 ? count(Math.round(number)) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

export function bytes(number) {
  if (typeof number !== 'number') return '–';
  if (number < 1024) return `${number} B`;
  if (number < 1024 * 1024) return `${(number / 1024).toFixed(1)} KiB`;
  return `${(number / 1024 / 1024).toFixed(1)} MiB`;
}

export const shortened = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
