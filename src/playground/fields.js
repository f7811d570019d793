// Form fields that come from the model's description: its parameters, and the columns of its table.
import { element } from '/playground/elements.js';

/** A field for each parameter of the query; an empty one stands for the model's default. */
export function parameters(place, list) {
  const shown = list.filter(({ name }) => name !== 'outputs');
  place.hidden = shown.length === 0;
  place.querySelector('div').replaceChildren(...shown.map(({ name, description, schema }) => {
    const id = `parameter-${name}`;
    const fallback = Array.isArray(schema.default) ? schema.default.join(', ') : String(schema.default ?? '');
    const choices = schema.enum ?? (schema.type === 'boolean' ? ['true', 'false'] : null);
    const field = choices
      ? element('select', { id, name }, new Option(`${fallback} (default)`, ''), ...choices.map((value) => new Option(value)))
      : element('input', { id, name, placeholder: fallback, type: schema.type === 'string' || schema.type === 'array' ? 'text' : 'number' });
    for (const [bound, attribute] of [['minimum', 'min'], ['maximum', 'max']]) {
      if (bound in schema && field.type === 'number') field[attribute] = schema[bound];
    }
    if (schema.type === 'number') field.step = 'any';
    field.title = description;
    return element('div', { className: 'field' }, element('label', { htmlFor: id, textContent: name }), field);
  }));
}

/** The parameters that have a value, as a query. */
export function query(place) {
  const filled = [...place.querySelectorAll('[name]')].filter(({ value }) => value.trim());
  const text = new URLSearchParams(filled.map(({ name, value }) => [name, value])).toString();
  return text && `?${text}`;
}

/** A field for each column of a table. */
export function table(place, columns) {
  place.replaceChildren(...columns.map((name, index) => {
    const id = `column-${index}`;
    return element('div', { className: 'field' }, element('label', { htmlFor: id, textContent: name }),
      element('input', { id, name, type: 'number', step: 'any', value: 0 }));
  }));
}

/** Fill the fields of a table with a record. */
export function fill(place, record) {
  for (const field of place.querySelectorAll('input')) field.value = record[field.name] ?? '';
}

/** The record in the fields; an empty field is a missing number. */
export function record(place) {
  const fields = [...place.querySelectorAll('input')];
  return Object.fromEntries(fields.map(({ name, value }) => [name, value === '' ? null : Number(value)]));
}
