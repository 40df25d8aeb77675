// The element types that this server has, asked for once.

import * as api from './api.js';

let asked = null;

/** All descriptors, by name. */
export function elementTypes() {
  asked ??= api.catalogue().then((found) => new Map(found.map((one) => [one.name, one]))).catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** What values a property takes, in words. */
export function kindOf(kind) {
  switch (kind?.type) {
    case 'bool': return 'true or false';
    case 'string': return 'text';
    case 'enum': return kind.values.join(', ');
    case 'integer': return `whole number${bounds(kind)}`;
    case 'number': return `number${bounds(kind)}`;
    case 'list': return `list of: ${kindOf(kind.item)}`;
    case 'map': return 'names with values, as JSON';
    default: return '';
  }
}

function bounds({ min, max }) {
  const open = (n) => Math.abs(n) > 2 ** 52;
  if (open(min) && open(max)) return '';
  if (open(max)) return `, at least ${min}`;
  if (open(min)) return `, at most ${max}`;
  return `, ${min} to ${max}`;
}
