// JSON that keeps what it does not understand: numbers that a double cannot hold stay as they were written, where the
// browser can do that.

const canKeep = typeof JSON.rawJSON === 'function';

export class JsonError extends Error {
  constructor(message, line, column) {
    super(line ? `line ${line}, column ${column}: ${message}` : message);
    this.line = line;
    this.column = column;
  }
}

function keepExact(key, value, context) {
  if (typeof value !== 'number' || !context?.source || String(value) === context.source) return value;
  const isExact = Number.isSafeInteger(value) || (!/^-?\d+$/.test(context.source) && context.source.length <= 17);
  return isExact ? value : JSON.rawJSON(context.source);
}

// Throws JsonError with the place.
export function parseJson(text) {
  try {
    return canKeep ? JSON.parse(text, keepExact) : JSON.parse(text);
  } catch (error) {
    throw place(text, error);
  }
}

function place(text, error) {
  const message = String(error.message).replace(/^JSON\.parse: /, '');
  const byLine = /line (\d+) column (\d+)/.exec(message);
  const said = message
    .replace(/\s*(in JSON)?\s*at (position|line).*$/, '')
    .replace(/, "[\s\S]*" is not valid JSON$/, '');
  if (byLine) return new JsonError(said, Number(byLine[1]), Number(byLine[2]));
  const at = /position (\d+)/.exec(message);
  const isShort = /end of JSON|end of data|Unterminated/i.test(message);
  if (!at && !isShort) return new JsonError(said);
  const lines = text.slice(0, at ? Number(at[1]) : text.length).split('\n');
  return new JsonError(said || 'it ends too early', lines.length, lines.at(-1).length + 1);
}

export const showJson = (value) => JSON.stringify(value, null, 2);

// Whether it may have members: not an array, null or a number that was kept as text.
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(canKeep && JSON.isRawJSON(value));
}

const isSame = (a, b) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}

// What turns `before` into `after` as a merge patch (RFC 7396), and undefined when they are equal.
export function mergePatch(before, after) {
  if (!isObject(before) || !isObject(after)) return isSame(before, after) ? undefined : after;
  const patch = {};
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) define(patch, name, null);
  }
  for (const name of Object.keys(after)) {
    if (!Object.hasOwn(before, name)) {
      define(patch, name, after[name]);
      continue;
    }
    const change = mergePatch(before[name], after[name]);
    if (change === undefined) continue;
    // An object in place of a value, or the other way round, is written whole.
    define(patch, name, change);
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

export function applyPatch(target, patch) {
  if (!isObject(patch)) return patch;
  const result = isObject(target) ? { ...target } : {};
  for (const name of Object.keys(patch)) {
    if (patch[name] === null) delete result[name];
    else define(result, name, applyPatch(result[name], patch[name]));
  }
  return result;
}

// Also a member that is called __proto__.
function define(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

// Numbers in a document by their paths, at most `limit`: [['a.b', 1], ...].
export function numericFields(value, limit, path = '', found = []) {
  if (found.length >= limit) return found;
  if (typeof value === 'number' && Number.isFinite(value)) found.push([path || 'value', value]);
  else if (typeof value === 'boolean' && path) found.push([path, value ? 1 : 0]);
  else if (Array.isArray(value))
    value.slice(0, limit).forEach((item, i) => numericFields(item, limit, `${path}[${i}]`, found));
  else if (isObject(value)) {
    for (const name of Object.keys(value)) numericFields(value[name], limit, path ? `${path}.${name}` : name, found);
  }
  return found;
}
