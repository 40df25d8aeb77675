// A description's editor: line numbers, findings in place, Tab indents, Ctrl+Enter sends.

import * as api from './api.js';
import { fill, h } from './dom.js';
import { words } from './api.js';
import { inline } from './markdown.js';

/** How long nobody must type before the description is checked. */
const QUIET = 500;

export class Editor {
  #timer = 0;
  #turn = 0;
  #findings = [];

  /** `onsend` is called by Ctrl+Enter; `onchange` after each change. */
  constructor({ onsend, onchange = () => {}, label = 'Description' }) {
    this.onsend = onsend;
    this.onchange = onchange;
    this.numbers = h('div.numbers', { 'aria-hidden': 'true' });
    this.area = h('textarea', {
      spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', wrap: 'off', 'aria-label': label,
      'aria-describedby': 'findings', oninput: () => this.#changed(), onscroll: () => this.#scroll(),
      onkeydown: (event) => this.#key(event),
    });
    this.marks = h('div.marks', { 'aria-hidden': 'true' });
    this.list = h('ul.findings', { id: 'findings', 'aria-live': 'polite' });
    this.hint = h('p.quiet.hint', {}, 'Tab indents; Esc, then Tab, leaves the editor. Ctrl+Enter sends.');
    this.element = h('div.editor', {}, h('div.sheet', {}, this.numbers, h('div.paper', {}, this.marks, this.area)), this.list, this.hint);
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    this.area.value = text;
    this.#changed(0);
  }

  focus() {
    this.area.focus();
  }

  close() {
    clearTimeout(this.#timer);
    this.#turn += 1;
  }

  #changed(wait = QUIET) {
    this.#draw();
    this.onchange();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), wait);
  }

  /** Has the server check the text; true if it may run. */
  async check() {
    clearTimeout(this.#timer);
    const mine = ++this.#turn;
    if (!this.text.trim()) {
      this.show([]);
      return false;
    }
    try {
      const found = await api.check(this.text);
      if (mine === this.#turn) this.show(found.diagnostics ?? [], found.valid !== false ? 'The description is right.' : '');
      return found.valid;
    } catch (error) {
      if (mine === this.#turn) this.fail(error);
      return false;
    }
  }

  /** Shows why something was refused: findings in the text if there are any, else the sentence. */
  fail(error) {
    if (error.diagnostics?.length) this.show(error.diagnostics);
    else if (error.code !== 'unauthorized') this.show([{ severity: 'error', code: error.code, message: words(error), labels: [] }]);
  }

  /** Shows findings beside the lines and below the text. */
  show(findings, well = '') {
    this.#findings = findings;
    const rows = findings.map((finding) => {
      const error = finding.severity !== 'warning';
      const place = finding.line ? `line ${finding.line}, column ${finding.column ?? 1}` : '';
      const label = finding.labels?.[0]?.text;
      return h(`li.${error ? 'bad' : 'warn'}`, {},
        h('button', { type: 'button', disabled: !finding.line, onclick: () => this.#go(finding) },
          h('span.code', {}, `${error ? 'error' : 'warning'}${finding.code ? ` ${finding.code}` : ''}`),
          place && h('span.place', {}, place)),
        h('div', {}, h('span', {}, inline(sentence(finding.message))), label && h('span.quiet', {}, ` – ${label}`),
          finding.help && h('p.help', {}, inline(finding.help))));
    });
    fill(this.list, rows.length ? rows : well && h('li.good', {}, well));
    this.area.setAttribute('aria-invalid', String(findings.some((f) => f.severity !== 'warning')));
    this.#draw();
  }

  /** The cursor to where a finding is. */
  #go(finding) {
    const lines = this.text.split('\n');
    const start = lines.slice(0, finding.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const from = start + [...lines[finding.line - 1] ?? ''].slice(0, (finding.column ?? 1) - 1).join('').length;
    this.area.focus();
    this.area.setSelectionRange(from, Math.min(from + (lengthOf(finding) || 1), this.text.length));
    const height = parseFloat(getComputedStyle(this.area).lineHeight);
    this.area.scrollTop = Math.max(0, (finding.line - 6) * height);
  }

  #draw() {
    const lines = this.text.split('\n');
    const worst = new Map();
    for (const { line, severity } of this.#findings) {
      if (line && worst.get(line) !== 'bad') worst.set(line, severity === 'warning' ? 'warn' : 'bad');
    }
    fill(this.numbers, lines.map((_, n) => h(`span${worst.has(n + 1) ? `.${worst.get(n + 1)}` : ''}`, {}, String(n + 1))));
    // The same text, invisible, with the places underlined: it lies below the field and scrolls with it.
    const parts = [];
    lines.forEach((line, n) => {
      const here = this.#findings.filter((f) => f.line === n + 1);
      const letters = [...line];
      let at = 0;
      for (const finding of here.sort((a, b) => (a.column ?? 1) - (b.column ?? 1))) {
        const from = Math.min((finding.column ?? 1) - 1, letters.length);
        const word = letters.slice(from).join('').match(/^\S+/)?.[0].length ?? 1;
        const to = Math.min(from + (lengthOf(finding) || word), Math.max(letters.length, from + 1));
        if (from < at) continue;
        parts.push(letters.slice(at, from).join(''));
        parts.push(h(`mark.${finding.severity === 'warning' ? 'warn' : 'bad'}`, {}, letters.slice(from, to).join('') || ' '));
        at = to;
      }
      parts.push(`${letters.slice(at).join('')}\n`);
    });
    fill(this.marks, h('pre', {}, parts));
    this.#scroll();
  }

  #scroll() {
    this.numbers.style.transform = `translateY(${-this.area.scrollTop}px)`;
    this.marks.scrollTop = this.area.scrollTop;
    this.marks.scrollLeft = this.area.scrollLeft;
  }

  #leaving = false;

  #key(event) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.onsend();
      return;
    }
    // Who has no mouse must get out of the field: Esc makes the next Tab an ordinary one.
    if (event.key === 'Escape') {
      this.#leaving = true;
      event.stopPropagation();
      return;
    }
    if (event.key === 'Tab' && !this.#leaving && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      const { selectionStart: from, value } = this.area;
      if (event.shiftKey) {
        const start = value.lastIndexOf('\n', from - 1) + 1;
        const spaces = value.slice(start).match(/^ {0,2}/)[0].length;
        this.area.setRangeText('', start, start + spaces, 'preserve');
      } else {
        this.area.setRangeText('  ', from, this.area.selectionEnd, 'end');
      }
      this.#changed();
      return;
    }
    if (event.key === 'Enter') {
      const { selectionStart: from, value } = this.area;
      const line = value.slice(value.lastIndexOf('\n', from - 1) + 1, from);
      const indent = line.match(/^ */)[0] + (/:\s*$/.test(line) ? '  ' : '');
      event.preventDefault();
      this.area.setRangeText(`\n${indent}`, from, this.area.selectionEnd, 'end');
      this.#changed();
    }
    this.#leaving = event.key === 'Shift' && this.#leaving;
  }
}

/** Spans come in bytes; the length in them is near enough to that in letters to underline a word. 0: not known. */
function lengthOf(finding) {
  const label = finding.labels?.[0];
  return label && label.end > label.start ? Math.min(label.end - label.start, 80) : 0;
}

function sentence(text = '') {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
