// The twin: tags and desired properties as a document to edit, reported ones to look at. What is saved is only what was
// changed, and only if nobody else changed the twin meanwhile.

import { fill, h, setText } from './dom.js';
import { count, fullTime, plural } from './format.js';
import { twinPath } from './identities.js';
import { applyPatch, isObject, mergePatch, parseJson, showJson } from './json.js';
import { diffLines, withContext } from './line_diff.js';
import { attempt, dialog, errorBox, facts, note, panel, poll, toast } from './ui.js';

function withoutMetadata(section) {
  const { $metadata, $version, ...values } = section ?? {};
  return values;
}

// What may be edited: modules of a device have tags, too.
const editable = (twin) => ({
  tags: twin.tags ?? {},
  properties: { desired: withoutMetadata(twin.properties?.desired) },
});

export function drawDiff(before, after) {
  const lines = withContext(diffLines(before, after));
  const signs = { same: ' ', removed: '−', added: '+', gap: '⋯' };
  const names = { removed: 'removed: ', added: 'added: ' };
  return h(
    'div',
    { class: 'diff mono', tabindex: '0', role: 'region', 'aria-label': 'Changes' },
    lines.map((line) =>
      h(
        'div',
        { class: `line ${line.kind}` },
        h('span', { class: 'sign', 'aria-hidden': 'true' }, signs[line.kind]),
        names[line.kind] ? h('span', { class: 'visually-hidden' }, names[line.kind]) : null,
        h('span', { class: 'text' }, line.kind === 'gap' ? plural(line.count, 'unchanged line') : line.text),
      ),
    ),
  );
}

export function twinTab(page, subject) {
  const { api, main } = page;
  const path = twinPath(subject.id, subject.module);
  let loaded = null; // the twin as it was when the text was made
  const editor = h('textarea', {
    class: 'mono editor',
    spellcheck: 'false',
    rows: 18,
    'aria-label': 'Tags and desired properties, JSON',
    autocapitalize: 'off',
  });
  const told = h('div', { class: 'editor-foot', role: 'status' });
  const place = h('div');
  const newer = h('div');
  const review = h('button', { type: 'button', class: 'primary', disabled: true }, 'Review and save');
  const undo = h('button', { type: 'button', disabled: true, onclick: () => take(loaded) }, 'Discard changes');
  const format = h(
    'button',
    {
      type: 'button',
      class: 'ghost',
      onclick: () => {
        const edited = read();
        if (edited) {
          editor.value = showJson(edited);
          check();
        }
      },
    },
    'Format',
  );
  const reported = h('pre', { class: 'mono json', tabindex: '0', 'aria-label': 'Reported properties' });
  const about = h('div');

  // The edited document, or null after telling what is wrong with it.
  function read() {
    let edited;
    try {
      edited = parseJson(editor.value);
    } catch (error) {
      fill(told, h('span', { class: 'bad' }, `Not JSON: ${error.message}`));
      return null;
    }
    const wrong = problemOf(edited);
    // A section that is left out is an empty one.
    if (!wrong) return { tags: edited.tags ?? {}, properties: { desired: edited.properties?.desired ?? {} } };
    fill(told, h('span', { class: 'bad' }, wrong));
    return null;
  }

  function check() {
    const edited = read();
    editor.setAttribute('aria-invalid', String(!edited));
    const patch = edited && loaded ? mergePatch(editable(loaded), edited) : undefined;
    review.disabled = !patch;
    undo.disabled = !loaded || editor.value === showJson(editable(loaded));
    format.disabled = !edited;
    if (edited) setText(told, patch ? 'Changed' : 'No changes');
    return patch;
  }

  function take(twin) {
    loaded = twin;
    editor.value = showJson(editable(twin));
    fill(newer);
    showOthers(twin);
    check();
  }

  function showOthers(twin) {
    setText(reported, showJson(withoutMetadata(twin.properties?.reported)));
    fill(
      about,
      facts([
        ['Desired version', count(twin.properties?.desired?.$version)],
        ['Reported version', count(twin.properties?.reported?.$version)],
        ['Desired changed', fullTime(twin.properties?.desired?.$metadata?.$lastUpdated)],
        ['Reported changed', fullTime(twin.properties?.reported?.$metadata?.$lastUpdated)],
        twin.modelId ? ['Model', h('code', {}, twin.modelId)] : null,
        ['ETag', h('code', {}, twin.etag ?? '')],
      ]),
    );
  }

  const fetchTwin = async () =>
    (await api.ask('read the twin', 'GET', path, { needs: 'ServiceConnect', signal: page.signal })).json;

  // What changed here stays; what did not follows the hub.
  function rebase(twin) {
    const patch = check();
    if (patch === undefined) return take(twin);
    loaded = twin;
    editor.value = showJson(applyPatch(editable(twin), patch));
    fill(newer);
    showOthers(twin);
    check();
    return undefined;
  }

  async function save(patch, etag) {
    try {
      return (
        await api.ask('save the twin', 'PATCH', path, {
          body: patch,
          headers: { 'If-Match': etag ? `"${etag}"` : '*' },
          needs: 'ServiceConnect',
        })
      ).json;
    } catch (error) {
      if (error.status !== 412) throw error;
      return conflict(patch);
    }
  }

  // Somebody was quicker: the reader decides what becomes of both.
  async function conflict(patch) {
    const theirs = await fetchTwin();
    const answer = await dialog('The twin was changed meanwhile', (close) =>
      h(
        'div',
        {},
        h(
          'p',
          {},
          'Since it was loaded here, a back end or somebody else changed tags or desired properties. Their changes:',
        ),
        drawDiff(showJson(editable(loaded)), showJson(editable(theirs))),
        h('p', {}, 'Yours are not saved yet.'),
        h(
          'div',
          { class: 'row end' },
          h('button', { type: 'button', onclick: () => close('drop') }, 'Drop mine'),
          h(
            'button',
            { type: 'button', class: 'primary', onclick: () => close('rebase') },
            'Apply mine on top and look again',
          ),
        ),
      ),
    );
    if (answer === 'drop') take(theirs);
    if (answer === 'rebase') rebase(theirs);
    return null;
  }

  review.addEventListener('click', () =>
    attempt(review, place, async () => {
      const patch = check();
      if (patch === undefined) return;
      const before = showJson(editable(loaded));
      const after = showJson(read());
      const isWanted = await dialog('Save these changes?', (close) =>
        h(
          'div',
          {},
          drawDiff(before, after),
          h(
            'details',
            {},
            h('summary', {}, 'What is sent (a merge patch)'),
            h('pre', { class: 'mono json' }, showJson(patch)),
          ),
          h(
            'div',
            { class: 'row end' },
            h('button', { type: 'button', onclick: () => close() }, 'Go on editing'),
            h('button', { type: 'button', class: 'primary', onclick: () => close(true) }, 'Save'),
          ),
        ),
      );
      if (!isWanted) return;
      const saved = await save(patch, loaded.etag);
      if (!saved) return;
      take(saved);
      toast('The twin is saved');
    }).finally(check),
  );

  editor.addEventListener('input', check);
  editor.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter' && !review.disabled) review.click();
  });

  fill(
    main,
    place,
    newer,
    h(
      'div',
      { class: 'columns two' },
      panel('Tags and desired properties', editor, told, h('div', { class: 'row' }, review, undo, format)),
      h('div', {}, panel('Reported properties', reported), panel('About', about)),
    ),
  );
  poll(
    page,
    async () => {
      const twin = await fetchTwin();
      if (!loaded) return take(twin);
      if (twin.etag === loaded.etag) return showOthers(twin);
      const isSame = mergePatch(editable(loaded), editable(twin)) === undefined;
      if (isSame || (check() === undefined && editor.getAttribute('aria-invalid') !== 'true')) {
        if (isSame) {
          loaded = twin; // only reported properties moved on
          return showOthers(twin);
        }
        return take(twin);
      }
      showOthers(twin);
      if (!newer.firstChild) {
        fill(
          newer,
          note(
            'warning',
            'The twin was changed by somebody else while it is edited here. ',
            h('button', { type: 'button', class: 'small', onclick: () => rebase(twin) }, 'Apply mine on top'),
            ' ',
            h('button', { type: 'button', class: 'small', onclick: () => take(twin) }, 'Drop mine'),
          ),
        );
      }
      return undefined;
    },
    3000,
    (error) => {
      if (error && !loaded && !error.isTold) fill(place, errorBox(error));
    },
  );
}

// What the hub would refuse, as far as it is seen here at once.
function problemOf(document) {
  if (!isObject(document)) return 'The document must be an object with tags and properties.desired.';
  const unknown = Object.keys(document).filter((name) => name !== 'tags' && name !== 'properties');
  if (unknown.length > 0) return `“${unknown[0]}” cannot stand here: only tags and properties can.`;
  if (document.tags !== undefined && !isObject(document.tags)) return 'tags must be an object.';
  const properties = document.properties ?? {};
  if (!isObject(properties)) return 'properties must be an object.';
  const others = Object.keys(properties).filter((name) => name !== 'desired');
  if (others.length > 0) return `“properties.${others[0]}” cannot be written: only properties.desired can.`;
  const { desired } = properties;
  if (desired !== undefined && !isObject(desired)) return 'properties.desired must be an object.';
  return badName(document.tags, 'tags') ?? badName(desired, 'properties.desired');
}

const NOT_IN_NAMES = /[\u0000-\u0020\u007f-\u00a0.$\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function badName(value, path) {
  if (Array.isArray(value)) return value.map((item, i) => badName(item, `${path}[${i}]`)).find(Boolean) ?? null;
  if (!isObject(value)) return null;
  for (const name of Object.keys(value)) {
    if (NOT_IN_NAMES.test(name))
      return `The name “${name}” in ${path} has a character that names cannot have: '.', '$', white space or a control character.`;
    const below = badName(value[name], `${path}.${name}`);
    if (below) return below;
  }
  return null;
}
