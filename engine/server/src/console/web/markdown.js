// The little Markdown that elements' descriptions use: paragraphs, lists, tables, code, links.

import { h } from './dom.js';

/** The text as elements. */
export function markdown(text) {
  const out = [];
  const lines = text.replace(/\r/g, '').split('\n');
  let n = 0;
  const block = (test) => {
    const found = [];
    while (n < lines.length && test(lines[n])) found.push(lines[n++]);
    return found;
  };
  while (n < lines.length) {
    const line = lines[n];
    if (!line.trim()) {
      n += 1;
    } else if (/^```/.test(line)) {
      n += 1;
      out.push(code(block((l) => !/^```/.test(l))));
      n += 1;
    } else if (/^ {4}/.test(line)) {
      out.push(code(block((l) => /^ {4}/.test(l)).map((l) => l.slice(4))));
    } else if (/^\|/.test(line)) {
      out.push(table(block((l) => /^\|/.test(l))));
    } else if (/^#+ /.test(line)) {
      out.push(h('h3', {}, inline(line.replace(/^#+ /, ''))));
      n += 1;
    } else if (/^[-*] /.test(line)) {
      const items = [];
      for (const one of block((l) => /^[-*] /.test(l) || /^ {2}\S/.test(l))) {
        if (/^[-*] /.test(one)) items.push(one.slice(2));
        else items.push(`${items.pop()} ${one.trim()}`);
      }
      out.push(h('ul', {}, items.map((item) => h('li', {}, inline(item)))));
    } else {
      out.push(h('p', {}, inline(block((l) => l.trim() && !/^([-*] |\||```| {4})/.test(l)).join(' '))));
    }
  }
  return out;
}

const code = (lines) => h('pre.block', {}, h('code', {}, lines.join('\n').trimEnd()));

function table(lines) {
  const rows = lines.filter((line) => !/^\|[-| :]+\|?$/.test(line))
    .map((line) => line.replace(/^\||\|\s*$/g, '').split('|').map((cell) => cell.trim()));
  const [head, ...body] = rows;
  return h('div.scroll', {}, h('table.numbers.text', {},
    h('thead', {}, h('tr', {}, head.map((cell) => h('th', { scope: 'col' }, inline(cell))))),
    h('tbody', {}, body.map((cells) => h('tr', {}, cells.map((cell) => h('td', {}, inline(cell))))))));
}

/** Text with code and emphasis in it. */
export function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/).map((part) => {
    if (/^`.+`$/.test(part)) return h('code', {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return h('strong', {}, part.slice(2, -2));
    if (/^\*.+\*$/.test(part)) return h('em', {}, part.slice(1, -1));
    return part;
  });
}
