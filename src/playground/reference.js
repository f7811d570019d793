// /openapi.json as a page: every operation, with a form to send it.

const LARGE = 20000;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Text with code in backticks. */
function words(text) {
  return text.split('`').map((part, index) => index % 2 ? element('code', { textContent: part }) : part);
}

function operationView(document, path, verb, operation, parameters) {
  const view = element('details', { className: 'operation', id: operation.operationId },
    element('summary', {},
      element('span', { className: 'verb', textContent: verb.toUpperCase() }),
      element('code', { textContent: path }),
      element('span', { className: 'what', textContent: operation.summary })));
  // Build the form when it is opened, because a service may have many models.
  view.addEventListener('toggle', () => {
    if (view.open && view.children.length === 1) view.append(inside(document, path, verb, operation, parameters));
  });
  return view;
}

function inside(document, path, verb, operation, parameters) {
  const form = element('form', { className: 'inside' });
  if (operation.description) form.append(element('p', {}, ...words(operation.description)));
  const id = (name) => `${operation.operationId}-${name}`;
  const fields = new Map();
  const field = (name, input, note = '') => {
    input.id = id(name);
    form.append(element('div', { className: 'field' },
      element('label', { htmlFor: input.id, textContent: name }), input, element('small', { textContent: note })));
    return input;
  };
  for (const parameter of parameters) {
    const { schema } = parameter;
    const values = schema.enum ?? (schema.type === 'boolean' ? ['', 'true', 'false'] : null);
    const input = values
      ? element('select', {}, ...values.map((value) => new Option(value || 'default', value)))
      : element('input', { type: 'text', placeholder: schema.default ?? '' });
    fields.set(parameter, field(parameter.name, input, parameter.description));
  }

  let body = () => ({});
  const contents = Object.entries(operation.requestBody?.content ?? {});
  if (contents.length) body = bodyFields(form, field, contents);
  const offered = Object.keys(operation.responses['200'].content ?? {});
  const accept = offered.length > 1
    ? field('accept', element('select', {}, ...offered.map((type) => new Option(type))))
    : { value: offered[0] };

  const result = element('div');
  form.append(
    element('div', { className: 'actions' }, element('button', { className: 'primary', textContent: 'Send' })),
    result,
    element('details', {},
      element('summary', { textContent: 'Responses and schemas' }),
      statuses(document, operation)));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    let address = path;
    for (const [{ name, in: place }, input] of fields) {
      if (place === 'path') address = address.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(name, input.value);
    }
    if (query.size) address += `?${query}`;
    const headers = { accept: accept.value };
    await send(result, address, { method: verb.toUpperCase(), ...await body(headers), headers });
  });
  return form;
}

/** Fields for the body: media type and example, with a text area for text and a file for binary data. */
function bodyFields(form, field, contents) {
  // JSON first, because it is readable.
  contents.sort(([a], [b]) => Number(b === 'application/json') - Number(a === 'application/json'));
  const type = field('body', element('select', {}, ...contents.map(([name]) => new Option(name))));
  const example = field('example', element('select'));
  const text = element('textarea', { className: 'code', rows: 8, spellcheck: false, ariaLabel: 'Body' });
  const file = field('file', element('input', { type: 'file' }), 'instead of the example');
  form.append(text);
  const isText = () => ['application/json', 'text/plain'].includes(type.value);
  const chosen = () => Object.fromEntries(contents)[type.value].examples?.[example.value];
  const fill = () => {
    const value = chosen()?.value;
    text.value = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  };
  const pick = () => {
    const examples = Object.entries(Object.fromEntries(contents)[type.value].examples ?? {});
    example.replaceChildren(...examples.map(([key, { summary }]) => new Option(summary ?? key, key)));
    example.parentElement.hidden = examples.length === 0;
    text.hidden = !isText();
    file.parentElement.hidden = isText();
    fill();
  };
  type.addEventListener('change', pick);
  example.addEventListener('change', fill);
  pick();
  return async (headers) => {
    if (isText()) {
      headers['content-type'] = type.value;
      return { body: text.value };
    }
    let bytes = file.files[0];
    const sample = chosen() ?? Object.fromEntries(contents)['image/png']?.examples.sample;
    if (!bytes && sample) bytes = await (await fetch(sample.externalValue)).blob();
    if (type.value === 'multipart/form-data') {
      // The browser sets the boundary.
      const data = new FormData();
      if (bytes) data.set('image', bytes);
      return { body: data };
    }
    headers['content-type'] = type.value;
    return { body: bytes ?? new Blob() };
  };
}

async function send(place, address, options) {
  try {
    const response = await fetch(address, options);
    const bytes = await response.arrayBuffer();
    const type = response.headers.get('content-type') ?? '';
    const isText = /json|text/.test(type);
    let text = isText ? new TextDecoder().decode(bytes) : `${bytes.byteLength} bytes of ${type}`;
    if (text.length > LARGE) text = `${text.slice(0, LARGE)}… (${text.length} characters in all)`;
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    place.replaceChildren(
      element('p', { className: 'status', role: 'status', textContent: `${response.status} ${response.statusText} to ${options.method} ${address}` }),
      element('pre', { className: 'wrap', textContent: text, tabIndex: 0, role: 'group', ariaLabel: 'Response body' }),
      element('pre', { textContent: headers, tabIndex: 0, role: 'group', ariaLabel: 'Response headers' }));
  } catch (error) {
    place.replaceChildren(element('p', { className: 'problem', role: 'alert', textContent: `The service did not respond: ${error.message}` }));
  }
}

function statuses(document, operation) {
  const list = element('dl', { className: 'statuses' });
  const place = element('div', {}, list);
  for (const [status, response] of Object.entries(operation.responses)) {
    const name = response.$ref?.split('/').at(-1);
    const { description } = name ? document.components.responses[name] : response;
    list.append(element('dt', { textContent: status }), element('dd', {}, ...words(description)));
  }
  const schema = operation.responses['200'].content?.['application/json']?.schema;
  if (schema) {
    place.append(element('pre', { textContent: JSON.stringify(schema, null, 2), tabIndex: 0, role: 'group', ariaLabel: 'Response schema' }));
  }
  return place;
}

try {
  const response = await fetch('/openapi.json');
  const api = await response.json();
  if (!response.ok) throw new Error(api.error);
  document.getElementById('description').replaceChildren(...words(api.info.description));
  const place = document.getElementById('operations');
  for (const { name, description } of api.tags) {
    const views = [];
    for (const [path, item] of Object.entries(api.paths)) {
      for (const verb of ['get', 'post']) {
        const operation = item[verb];
        if (!operation?.tags.includes(name)) continue;
        views.push(operationView(api, path, verb, operation, [...item.parameters ?? [], ...operation.parameters ?? []]));
      }
    }
    place.append(element('section', {},
      element('div', { className: 'tag' }, element('h2', { textContent: name }), element('p', { textContent: description })),
      ...views));
  }
} catch (error) {
  const problem = document.getElementById('problem');
  problem.textContent = error.message;
  problem.hidden = false;
}
