// Making elements. Text is always set as text: nothing that comes from the network is parsed as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element: h('button.primary', {onclick, 'aria-label': '...'}, 'text', child, [more]). */
export function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  return furnish(document.createElement(tag || 'div'), classes, attributes, children);
}

/** An SVG element, in the same way. */
export function s(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  return furnish(document.createElementNS(SVG, tag), classes, attributes, children);
}

function furnish(element, classes, attributes, children) {
  if (classes.length) element.classList.add(...classes);
  if (attributes instanceof Node || typeof attributes !== 'object' || Array.isArray(attributes)) {
    children.unshift(attributes);
    attributes = {};
  }
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.classList.add(...String(value).split(' ').filter(Boolean));
    else if (name in PROPERTIES) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

// These do not work, or not in time, as attributes.
const PROPERTIES = { value: 1, checked: 1, srcObject: 1, muted: 1 };

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Puts these in the place of all that was in it. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Sets the text if it is another: screen readers then hear only what changed. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  pipelines: 'M4 6h5v4H4zM15 4h5v4h-5zM15 16h5v4h-5zM9 8h3v10h3M12 6h3',
  camera: 'M4 7h11v10H4zM15 11l5-3v8l-5-3',
  elements: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 16.5h7M16.5 13v7',
  help: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M12 16.5v.5',
  key: 'M8 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 12h9M18 12v3M15 12v2',
  theme: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  plus: 'M12 5v14M5 12h14',
  stop: 'M7 7h10v10H7z',
  play: 'M8 5l11 7-11 7z',
  pause: 'M8 5v14M16 5v14',
  close: 'M6 6l12 12M18 6L6 18',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  picture: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9.5v.01',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  back: 'M15 5l-7 7 7 7',
  check: 'M5 13l4 4L19 7',
  people: 'M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 20c0-4 2.5-6 6-6s6 2 6 6M16 5.5a3 3 0 0 1 0 5M17 14.5c2.5.5 4 2.5 4 5.5',
  record: 'M12 19a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  loop: 'M5 12a7 7 0 0 1 12-5l2 2M19 5v4h-4M19 12a7 7 0 0 1-12 5l-2-2M5 19v-4h4',
  hat: 'M8 16V6h8v10M4 17c3 2 13 2 16 0M8 13h8',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
};

/** A line drawing of 24 by 24. It is decoration: the button beside it has the words. */
export function icon(name) {
  return s('svg.icon', { viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }, s('path', { d: ICONS[name] }));
}

/** A button with an icon and words. `label` alone makes it small, with the words for screen readers and as a tip. */
export function button(look, name, words, onclick, more = {}) {
  const small = words === undefined;
  return h(`button.${look}`, { type: 'button', onclick, ...more, title: more.title ?? (small ? more['aria-label'] : undefined) },
    name && icon(name), !small && h('span', {}, words));
}
