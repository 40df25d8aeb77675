// The elements that descriptions may use: a list, and a page for each.

import { words } from './api.js';
import { elementTypes, kindOf } from './catalog.js';
import { fill, h, icon } from './dom.js';
import { inline, markdown } from './markdown.js';
import { format, value } from './words.js';

const ROLES = [
  ['source', 'Sources', 'Media enters a graph here.'],
  ['endpoint', 'Endpoints', 'Both ends of a network peer.'],
  ['filter', 'Filters', 'Media passes through.'],
  ['mixer', 'Mixers', 'Several inputs become one output.'],
  ['sink', 'Sinks', 'Media leaves a graph here.'],
];

export function show(root, [first]) {
  const view = { title: 'Elements', close() {}, navigate };
  const box = h('div');
  root.append(box);
  let types = null;
  let name = first;
  let filter = '';
  fill(box, h('div.card.empty', {}, 'Asking the server …'));
  elementTypes().then((found) => {
    types = found;
    draw();
  }).catch((error) => fill(box, h('p.notice.bad', {}, words(error))));

  function navigate([next]) {
    name = next;
    if (types) draw();
    scrollTo(0, 0);
    return true;
  }

  function draw() {
    fill(box, name ? page(types.get(name), name) : list());
    view.title = name ? `${name} – Elements` : 'Elements';
    document.title = `${view.title} – Anabranch`;
  }

  function list() {
    const groups = h('div.groups');
    const field = h('input', {
      type: 'search', value: filter, placeholder: 'Filter', 'aria-label': 'Filter the elements', 'data-filter': '',
      oninput: () => { filter = field.value; drawGroups(); },
    });
    const drawGroups = () => {
      const wanted = filter.trim().toLowerCase();
      const fits = (t) => `${t.name} ${t.summary} ${t.description}`.toLowerCase().includes(wanted);
      const drawn = ROLES.map(([role, title, what]) => {
        const some = [...types.values()].filter((t) => t.role === role && fits(t));
        return some.length ? h('section', {}, h('div.row.grouphead', {}, h('h2', {}, title), h('span.quiet', {}, what)),
          h('ul.tiles', {}, some.map((t) => h('li', {}, h('a.card.tile', { href: `#/elements/${t.name}` },
            h('strong', {}, t.name), h('span.quiet', {}, inline(t.summary))))))) : null;
      }).filter(Boolean);
      fill(groups, drawn.length ? drawn : h('div.card.empty', {}, 'No element has this in its description.'));
    };
    drawGroups();
    return [h('div.head', {}, h('div.grow', {}, h('h1', {}, 'Elements'), h('p', {}, 'What descriptions are made of.')), field), groups];
  }

  function page(type, wanted) {
    const crumb = h('div.crumb', {}, h('a', { href: '#/elements' }, icon('back'), 'Elements'));
    if (!type) return [crumb, h('div.card.empty', {}, `There is no element type ${wanted} on this server.`)];
    return [crumb,
      h('div.head', {}, h('div.grow', {}, h('div.row', {}, h('h1', {}, type.name), h('span.tag', {}, type.role)), h('p', {}, inline(type.summary)))),
      h('div.doc', {},
        h('section.card.pad.prose', {}, markdown(type.description)),
        section('Ports', type.ports, ['Port', 'Direction', 'Medium', 'Formats'], (p) => [
          h('code', {}, p.name), p.direction, p.medium,
          [p.formats.length ? p.formats.map(format).join(', ') : 'any', p.required && ', must be linked', p.multiple && ', several links'],
        ]),
        section('Properties', type.properties, ['Property', 'Takes', 'Default', 'What it does'], (p) => [
          h('code', {}, p.name), kindOf(p.kind),
          p.required ? h('strong', {}, 'must be given') : p.default === null || p.default === '' ? '' : h('code', {}, value(p.default)),
          [inline(p.summary), p.live && h('span.tag.live', { title: 'It may change while media flows' }, 'live')],
        ]),
        section('Events', type.events, ['Event', 'When', 'Data'], (e) => [
          h('code', {}, e.name), inline(e.summary), Object.keys(e.schema?.properties ?? {}).join(', '),
        ]),
        type.example && h('section.card.pad', {}, h('h2', {}, 'Example'),
          h('pre.block', {}, h('code', {}, `anabranch run '${type.example}'`)),
          h('a.plain', { href: `#/new/${encodeURIComponent(type.name)}` }, icon('plus'), h('span', {}, 'Write a description with it'))),
        type.requires.length > 0 && h('p.quiet', {}, `It works with GStreamer's ${type.requires.join(', ')}.`))];
  }

  return view;
}

function section(title, items, head, cells) {
  if (!items?.length) return null;
  return h('section.card.pad.scroll', {}, h('h2', {}, title), h('table.numbers.text', {},
    h('thead', {}, h('tr', {}, head.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, items.map((item) => h('tr', {}, cells(item).map((cell) => h('td', {}, cell)))))));
}
