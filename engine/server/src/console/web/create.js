// A new pipeline from a description.

import * as api from './api.js';
import { elementTypes } from './catalog.js';
import { button, h, icon, say } from './dom.js';
import { Editor } from './editor.js';
import { EXAMPLES, example, renamed } from './examples.js';
import { notify } from './notices.js';

const BEGINNING = `# Which elements there are, and how media flows between them.
name: my-pipeline
elements:
  pictures:
    type: test-source
  nothing:
    type: null-sink
links:
  - pictures -> nothing
`;

export function show(root, [wanted]) {
  const note = h('span.quiet', { 'aria-live': 'polite' });
  const start = button('primary', 'play', 'Start', send);
  const keep = h('input', { type: 'checkbox' });
  const editor = new Editor({ onsend: send, label: 'Description of the new pipeline' });
  const choose = h('select', { 'aria-label': 'Begin with an example', onchange: () => begin(choose.value) },
    h('option', { value: '' }, 'Begin with an example …'), EXAMPLES.map((one) => h('option', { value: one.file }, one.title)));

  root.append(
    h('div.crumb', {}, h('a', { href: '#/' }, icon('back'), 'Pipelines')),
    h('div.head', {}, h('div.grow', {}, h('h1', {}, 'New pipeline'),
      h('p', {}, 'A description in YAML or JSON. What is wrong is shown in its place before anything starts. '
        , h('a', { href: '#/elements' }, 'The elements'), ' that there are.')), choose),
    h('div.row.filters', {}, start,
      h('label.row', { title: 'Otherwise it ends with its media, unless it has WebRTC peers' }, keep, h('span', {}, 'Keep it when its media has ended')), note),
    editor.element);
  editor.text = BEGINNING;
  if (wanted) begin(wanted);
  editor.focus();

  async function begin(name) {
    if (!name) return;
    try {
      editor.text = EXAMPLES.some((one) => one.file === name) ? await example(name) : await withElement(name);
      editor.area.setSelectionRange(0, 0);
      editor.area.scrollTop = 0;
    } catch (error) {
      editor.fail(error);
    }
  }

  async function send() {
    if (start.disabled) return;
    start.disabled = true;
    say(note, 'Starting …');
    try {
      const made = await api.create(editor.text, { keep: keep.checked });
      location.hash = `#/pipelines/${encodeURIComponent(made.id)}`;
    } catch (error) {
      editor.fail(error);
      if (error.code === 'name-taken') {
        const free = renamed(editor.text);
        editor.text = free;
        notify('A pipeline of this name is there already: the description has got a new name. Start it again.', 'warn');
      }
      say(note, 'Not started.');
      start.disabled = false;
    }
  }

  return { title: 'New pipeline', close: () => editor.close() };
}

/** A description around one element: fed by test pictures, thrown away after it. */
async function withElement(name) {
  const type = (await elementTypes()).get(name);
  if (!type) return BEGINNING;
  const id = name.replace(/[^a-z0-9]+/g, '-');
  const inputs = type.ports.some((p) => p.direction === 'input');
  const outputs = type.ports.some((p) => p.direction === 'output');
  const given = type.properties.filter((p) => p.required).map((p) => `    ${p.name}: # ${p.summary}`);
  const chain = [inputs && 'pictures', id, outputs && 'nothing'].filter(Boolean);
  return [`# ${type.summary}`, `name: try-${id}`, 'elements:', ...(inputs ? ['  pictures:', '    type: test-source'] : []),
    `  ${id}:`, `    type: ${name}`, ...given, ...(outputs ? ['  nothing:', '    type: null-sink'] : []), 'links:',
    `  - ${chain.join(' -> ')}`, ''].join('\n');
}
