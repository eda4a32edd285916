// Elements are made here and nowhere else. Texts become text nodes and attributes are set by name: whatever a device
// wrote is shown as it is and never read as markup.

const PROPERTIES = new Set([
  'value',
  'checked',
  'disabled',
  'selected',
  'open',
  'readOnly',
  'indeterminate',
  'htmlFor',
]);

// h('button', {class: 'x', onclick: f, 'aria-label': 'y'}, 'text', child, null, [more])
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

// Leaves the element alone when it shows this already, so that selections in it live on.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let numbers = 0;
export const newId = (prefix) => `${prefix}-${++numbers}`;
