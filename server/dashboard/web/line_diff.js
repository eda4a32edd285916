// The difference of two texts by lines.

const CELLS_MAX = 4_000_000;

// [{kind: 'same' | 'removed' | 'added', text}], in order.
export function diffLines(before, after) {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) ++start;
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && a.at(-1 - tail) === b.at(-1 - tail)) ++tail;
  return [
    ...a.slice(0, start).map((text) => ({ kind: 'same', text })),
    ...diffMiddle(a.slice(start, a.length - tail), b.slice(start, b.length - tail)),
    ...a.slice(a.length - tail).map((text) => ({ kind: 'same', text })),
  ];
}

// By the longest common subsequence; of very long texts all that lies between is shown as replaced.
function diffMiddle(a, b) {
  const removed = (text) => ({ kind: 'removed', text });
  const added = (text) => ({ kind: 'added', text });
  if (a.length * b.length > CELLS_MAX) return [...a.map(removed), ...b.map(added)];
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; --i) {
    for (let j = b.length - 1; j >= 0; --j) {
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const result = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      result.push({ kind: 'same', text: a[i] });
      ++i;
      ++j;
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) result.push(removed(a[i++]));
    else result.push(added(b[j++]));
  }
  return [...result, ...a.slice(i).map(removed), ...b.slice(j).map(added)];
}

// Only changed lines with so many around them; a gap is {kind: 'gap', count}.
export function withContext(lines, around = 3) {
  const keep = lines.map((_, i) =>
    lines.slice(Math.max(0, i - around), i + around + 1).some((line) => line.kind !== 'same'),
  );
  const result = [];
  for (let i = 0; i < lines.length; ++i) {
    if (keep[i]) result.push(lines[i]);
    else if (result.at(-1)?.kind === 'gap') ++result.at(-1).count;
    else result.push({ kind: 'gap', count: 1 });
  }
  return result;
}
