// One pipeline: graph, statistics, events, description.

import * as api from './api.js';
import { sure } from './dialogs.js';
import { button, fill, h, icon, say } from './dom.js';
import { Editor } from './editor.js';
import { ElementPanel } from './element.js';
import { EventList } from './events.js';
import { PipelineFeed } from './feed.js';
import { GraphView } from './graph.js';
import { notify, report } from './notices.js';
import { stateOf } from './pipelines.js';
import { Pictures } from './pictures.js';
import { Statistics, Strip } from './statistics.js';
import { words } from './api.js';
import { count } from './words.js';

const TABS = [['graph', 'Graph'], ['statistics', 'Statistics'], ['events', 'Events'], ['description', 'Description']];

export function show(root, [id, firstTab, firstElement]) {
  const feed = new PipelineFeed(id);
  const pictures = new Pictures(id);
  const badge = h('span.badge', {}, '…');
  const what = h('p', {});
  const peers = h('span.quiet');
  const stop = button('plain.danger', 'stop', 'Stop', end);
  const start = button('primary', 'play', 'Start', begin, { hidden: true });
  const trouble = h('p.notice.bad', { hidden: true, role: 'alert' });
  const strip = new Strip(feed);
  const panel = h('div', { id: 'panel', role: 'tabpanel', tabindex: '-1' });
  let tab = null;
  let open = { close() {} };
  let closed = false;

  const tabs = new Map(TABS.map(([name, text]) => [name, h('button', {
    role: 'tab', type: 'button', id: `tab-${name}`, 'aria-controls': 'panel', onclick: () => go(name),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const names = [...tabs.keys()];
      const next = names[(names.indexOf(name) + step + names.length) % names.length];
      go(next);
      tabs.get(next).focus();
    },
  }, text)]));

  root.append(
    h('div.crumb', {}, h('a', { href: '#/' }, icon('back'), 'Pipelines')),
    h('div.head', {}, h('div.grow', {}, h('div.row', {}, h('h1', {}, id), badge, peers), what), start, stop),
    trouble, strip.element,
    h('div.tabs', { role: 'tablist', 'aria-label': 'Views of the pipeline' }, [...tabs.values()]),
    panel);

  feed.addEventListener('info', () => {
    const { info } = feed;
    const [look, word] = stateOf(info);
    badge.className = `badge ${look}`;
    say(badge, word);
    say(what, info.description ?? '');
    what.hidden = !info.description;
    const of = (kind) => info.sessions?.filter((session) => session.kind === kind).length ?? 0;
    say(peers, [[of('publish'), 'publisher'], [of('play'), 'viewer']].filter(([n]) => n).map(([n, word]) => count(n, word)).join(', '));
    const ended = info.state === 'stopped';
    if (stop.textContent !== (ended ? 'Forget' : 'Stop')) {
      fill(stop, icon(ended ? 'trash' : 'stop'), h('span', {}, ended ? 'Forget' : 'Stop'));
    }
    start.hidden = !ended && info.state !== 'building';
    if (ended) say(start.lastChild, 'Start again');
    const failures = info.outcome?.failures?.filter((failure) => !failure.allowed) ?? [];
    if (failures.length) tellTrouble(failures.map((f) => `${f.element}: ${f.reason}`).join('; '));
    else trouble.hidden = true;
  });
  feed.addEventListener('trouble', ({ detail }) => tellTrouble(words(detail)));
  feed.addEventListener('gone', gone);

  function tellTrouble(text) {
    trouble.hidden = false;
    say(trouble, text);
  }

  function gone() {
    if (closed) return;
    close();
    fill(root, h('div.card.empty', {}, h('h1', {}, 'It is not there'), h('p', {}, `The server has no pipeline ${id}, or has it no longer.`),
      h('a.plain', { href: '#/' }, 'To the pipelines')));
  }

  async function end() {
    const ended = feed.info?.state === 'stopped';
    if (!ended && !await sure(`Stop ${id}?`, 'Its sources end, recordings are finalised, and peers are let go.', 'Stop it')) return;
    stop.disabled = true;
    try {
      const outcome = await api.remove(id);
      notify(outcome?.result === 'timed-out' ? `${id} was stopped, but not everything was finalised in time.` : `${id} was stopped.`);
      location.hash = '#/';
    } catch (error) {
      report(error, `Stopping ${id}`);
      stop.disabled = false;
    }
  }

  async function begin() {
    start.disabled = true;
    try {
      if (feed.info.state !== 'stopped') {
        await api.start(id);
        feed.refresh().catch(() => {});
      } else {
        // The new one takes the place of the one that has ended.
        await api.create(feed.info.yaml, { keep: feed.info.keep_running });
        closed = true;
        dispatchEvent(new HashChangeEvent('hashchange'));
      }
    } catch (error) {
      report(error, `Starting ${id}`);
    }
    start.disabled = false;
  }

  function go(name, element) {
    const parts = ['#/pipelines', encodeURIComponent(id)];
    if (name !== 'graph' || element) parts.push(name);
    if (element) parts.push(encodeURIComponent(element));
    history.replaceState(null, '', parts.join('/'));
    choose(name, element);
  }

  function choose(name, element) {
    const [wanted] = TABS.find(([one]) => one === name) ?? TABS[0];
    if (wanted === tab) return open.element?.(element);
    tab = wanted;
    for (const [one, button_] of tabs) {
      button_.setAttribute('aria-selected', String(one === tab));
      button_.tabIndex = one === tab ? 0 : -1;
    }
    panel.setAttribute('aria-labelledby', `tab-${tab}`);
    open.close();
    open = { graph: graphTab, statistics: statisticsTab, events: eventsTab, description: descriptionTab }[tab](element);
    return undefined;
  }

  function graphTab(element) {
    let inspector = null;
    const side = h('aside.inspector', { hidden: true, 'aria-label': 'Element' });
    const frame = h('div.withside', {});
    const view = new GraphView(feed, (chosen) => go('graph', chosen), pictures);
    frame.append(view.element, side);
    fill(panel, frame);
    const select = (chosen) => {
      inspector?.close();
      inspector = null;
      side.hidden = !chosen;
      frame.classList.toggle('open', Boolean(chosen));
      view.select(chosen ?? null);
      if (!chosen) return;
      inspector = new ElementPanel(feed, chosen, pictures, () => {
        go('graph');
        view.focus(chosen);
      });
      fill(side, inspector.element);
    };
    select(element);
    return {
      element: select,
      escape: () => inspector && (go('graph'), true),
      close: () => {
        inspector?.close();
        view.close();
      },
    };
  }

  function statisticsTab() {
    const view = new Statistics(feed);
    fill(panel, view.element);
    view.update();
    return view;
  }

  function eventsTab() {
    const view = new EventList(feed);
    fill(panel, view.element);
    return { close: () => view.close(), pause: () => view.togglePause() };
  }

  function descriptionTab() {
    let shown = '';
    const note = h('span.quiet', { 'aria-live': 'polite' });
    const apply = button('primary', 'check', 'Apply', send, { disabled: true });
    const again = button('plain', null, 'Undo changes', () => { editor.text = shown; });
    const editor = new Editor({
      label: `Description of ${id}`, onsend: send,
      onchange: () => {
        const same = editor.text === shown;
        apply.disabled = again.disabled = same || feed.info?.state !== 'running';
        say(note, same ? '' : 'Changed: it is applied while media flows; what stays the same is not touched.');
      },
    });
    fill(panel, h('div.row.filters', {}, apply, again, note), editor.element);
    const take = () => {
      const text = feed.info?.yaml ?? '';
      // What somebody is writing is not replaced.
      if (text === shown || (shown && editor.text !== shown)) return;
      shown = text;
      editor.text = text;
    };
    feed.addEventListener('info', take);
    take();
    async function send() {
      if (apply.disabled) return;
      apply.disabled = true;
      say(note, 'Applying …');
      try {
        const info = await api.change(id, editor.text);
        shown = editor.text;
        editor.show([]);
        notify('The change is applied.', 'good');
        say(note, '');
        if (info?.yaml) feed.refresh().catch(() => {});
      } catch (error) {
        editor.fail(error);
        say(note, 'Not applied.');
        apply.disabled = false;
      }
    }
    return {
      close: () => {
        feed.removeEventListener('info', take);
        editor.close();
      },
    };
  }

  function close() {
    closed = true;
    open.close();
    open = { close() {} };
    strip.close();
    feed.close();
  }

  choose(firstTab, firstElement);
  const escape = (event) => {
    if (event.key === 'Escape' && !document.querySelector('dialog[open]') && open.escape?.()) event.preventDefault();
  };
  root.addEventListener('keydown', escape);
  return {
    title: id,
    keys: {
      1: () => go('graph'), 2: () => go('statistics'), 3: () => go('events'), 4: () => go('description'), p: () => open.pause?.(),
    },
    navigate([next, name, element]) {
      if (next !== id || closed) return false;
      choose(name, element);
      return true;
    },
    close() {
      root.removeEventListener('keydown', escape);
      close();
    },
  };
}
