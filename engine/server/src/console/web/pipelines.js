// The list of pipelines.

import * as api from './api.js';
import { sure } from './dialogs.js';
import { button, fill, h, icon, say } from './dom.js';
import { pipelinesFeed } from './feed.js';
import { report } from './notices.js';
import { count, span, state } from './words.js';

export function show(root) {
  const box = h('div');
  const filter = h('input', {
    type: 'search', placeholder: 'Filter by name', 'aria-label': 'Filter by name', 'data-filter': '', oninput: () => draw(),
  });
  let all = null;
  let rows = new Map();

  root.append(
    h('div.head', {}, h('div.grow', {}, h('h1', {}, 'Pipelines')), filter,
      h('a.primary', { href: '#/new' }, icon('plus'), h('span', {}, 'New pipeline'))),
    box);
  fill(box, h('div.card.empty', {}, 'Asking the server …'));

  const poll = pipelinesFeed((found, error) => {
    if (error) {
      if (!all) fill(box, h('div.card.empty', {}, h('p', {}, api.words(error))));
      return;
    }
    all = found;
    draw();
  });

  function draw() {
    if (!all) return;
    const wanted = filter.value.trim().toLowerCase();
    const some = all.filter((p) => `${p.id} ${p.description}`.toLowerCase().includes(wanted)).reverse();
    some.sort((a, b) => (a.state === 'stopped') - (b.state === 'stopped'));
    filter.hidden = all.length < 2;
    if (!some.length) {
      rows = new Map();
      fill(box, all.length ? h('div.card.empty', {}, 'No pipeline has this in its name.') : nothing());
      return;
    }
    const now = new Map(some.map((p) => [p.id, rows.get(p.id) ?? row(p)]));
    if ([...now.keys()].join('\n') !== [...rows.keys()].join('\n') || !rows.size) {
      fill(box, h('ul.list.card', {}, [...now.values()].map((r) => r.element)));
    }
    rows = now;
    for (const p of some) rows.get(p.id).update(p);
  }

  function row(first) {
    const href = `#/pipelines/${encodeURIComponent(first.id)}`;
    const badge = h('span.badge');
    const what = h('p.quiet');
    const facts = h('span.quiet.facts');
    const end = button('small.danger', 'stop', undefined, () => stop(first.id), { 'aria-label': `Stop ${first.id}` });
    const element = h('li.item', {},
      h('div.grow', {}, h('div.row', {}, h('a.name', { href }, first.id), badge), what), facts, end);
    return {
      element,
      update(p) {
        const [look, word] = stateOf(p);
        badge.className = `badge ${look}`;
        say(badge, word);
        say(what, p.description);
        what.hidden = !p.description;
        say(facts, `${count(p.elements, 'element')}, ${span(Date.now() / 1000 - p.created)}`);
        const ended = p.state === 'stopped';
        if (end.dataset.ended !== String(ended)) {
          end.dataset.ended = ended;
          end.ariaLabel = end.title = ended ? `Forget ${p.id}` : `Stop ${p.id}`;
          fill(end, icon(ended ? 'trash' : 'stop'));
        }
      },
    };
  }

  async function stop(id) {
    const p = all.find((one) => one.id === id);
    const ended = p?.state === 'stopped';
    if (!ended && !await sure(`Stop ${id}?`, 'Its sources end, recordings are finalised, and peers are let go.', 'Stop it')) return;
    try {
      await api.remove(id);
      poll.now();
    } catch (error) {
      report(error, `Stopping ${id}`);
    }
  }

  return { title: 'Pipelines', close: () => poll.stop() };
}

/** A pipeline's look and word: how it ended, once it has. */
export function stateOf(pipeline) {
  const result = pipeline.outcome?.result;
  return state(pipeline.state === 'stopped' && result ? result : pipeline.state);
}

function nothing() {
  return h('div.card.empty', {},
    h('h2', {}, 'Nothing runs yet'),
    h('p', {}, 'A pipeline is made from a description: which elements there are, and how media flows between them.'),
    h('div.row', {}, h('a.primary', { href: '#/camera' }, icon('camera'), h('span', {}, 'Try your camera')),
      h('a.plain', { href: '#/new' }, 'Write a description')));
}
