// The page: choose a model, send a request, show the response. The models and their inputs come from
// /openapi.json, so this file knows none of them.
import { Drawing, ImageSource } from '/playground/sources.js';
import { SoundSource } from '/playground/sound.js';
import * as fields from '/playground/fields.js';
import * as result from '/playground/result.js';
import { curl, python } from '/playground/snippets.js';

const at = (id) => document.getElementById(id);
const SOURCES = { draw: 'Draw', image: 'Image', sound: 'Sound', text: 'Text', question: 'Question', query: 'Documents', table: 'Table', json: 'JSON' };
let api;
let model;
let running; // The request's AbortController.

const drawing = new Drawing(at('canvas'), (file) => {
  const save = at('save-drawing');
  URL.revokeObjectURL(save.href);
  save.hidden = !file;
  if (!file) {
    stop();
    return;
  }
  save.href = URL.createObjectURL(file);
  sendFile(file);
});
const imageSource = new ImageSource(at, sendFile);
const soundSource = new SoundSource(at, sendFile);

function sendFile(file) {
  send({ body: file, type: file.type || 'application/octet-stream', file: file.name });
}

/** The sources of a request that fit the model's inputs. */
function sourcesOf(model) {
  return Object.keys(SOURCES).filter((source) => ({
    draw: model.image && model.image.channels === 'gray',
    image: model.image,
    sound: model.audio,
    text: model.media_types.includes('text/plain'),
    question: model.form === 'questions',
    query: model.form === 'queries',
    table: model.columns,
    json: true,
  })[source]);
}

function select(name) {
  model = api['x-models'].find((known) => known.name === name);
  history.replaceState(null, '', `#${encodeURIComponent(name)}`);
  at('description').textContent = model.description;
  const shape = (tensor) => `${tensor.datatype} [${tensor.shape.map((size) => size < 0 ? 'any' : size).join(', ')}]`;
  const tensors = (list) => list.map((tensor) => `${tensor.name} ${shape(tensor)}`).join(', ');
  result.definitions(at('facts'), [
    [model.versions.length > 1 ? 'Versions' : 'Version', model.versions.join(', ')],
    ['Inputs', tensors(model.inputs)],
    ['Outputs', tensors(model.outputs)],
  ]);

  const segments = at('sources');
  for (const old of segments.querySelectorAll('label')) old.remove();
  const sources = sourcesOf(model);
  for (const source of sources) {
    const label = document.createElement('label');
    const radio = Object.assign(document.createElement('input'), { type: 'radio', name: 'source', value: source });
    radio.checked = source === sources[0];
    radio.addEventListener('change', () => show(source));
    label.append(radio, SOURCES[source]);
    segments.append(label);
  }
  segments.hidden = sources.length < 2;

  fields.table(at('columns'), model.columns ?? []);
  fields.parameters(at('parameters'), api.paths[`/infer/${name}`].post.parameters);
  const content = api.paths[`/infer/${name}`].post.requestBody.content;
  at('text').value = content['text/plain']?.examples.text.value ?? '';
  const examples = content['application/json'].examples ?? {};
  const example = at('example');
  example.replaceChildren(...Object.entries(examples).map(([key, { summary }]) => new Option(summary ?? key, key)));
  example.onchange = () => { at('json').value = pretty(examples[example.value].value); };
  at('json').value = example.value ? pretty(examples[example.value].value) : '';
  imageSource.clear();
  soundSource.clear();
  drawing.clear();
  show(sources[0]);
  if (model.example) useExample(model.example);
}

/** Fill in the example of the model's card, and send it. */
function useExample({ media_type: type, url }) {
  const bytes = Uint8Array.from(atob(url.split(',')[1]), (letter) => letter.charCodeAt(0));
  const [kind, subtype] = type.split('/');
  const files = { image: ['image', imageSource], audio: ['sound', soundSource] }[kind];
  if (files) {
    const [source, target] = files;
    show(source);
    target.use(new File([bytes], `example.${subtype}`, { type }));
    return;
  }
  const text = new TextDecoder().decode(bytes);
  if (type === 'text/plain') {
    at('send-text').click();
  } else if (type === 'application/json') {
    const content = JSON.parse(text);
    const item = content.instances?.[0] ?? content;
    if (model.columns) fields.fill(at('columns'), item);
    for (const id of ['question', 'context', 'query']) at(id).value = item[id] ?? '';
    at('documents').value = (item.documents ?? []).join('\n');
    const source = { questions: 'question', queries: 'query' }[model.form] ?? (model.columns ? 'table' : 'json');
    if (source === 'json') at('json').value = pretty(content);
    show(source);
    at(`send-${source}`).click();
  }
}

/** JSON with one line per member, and with each list of numbers on one line. */
function pretty(value) {
  return JSON.stringify(value, null, 1)
    .replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items) => `[${items.replace(/\s*\n\s*/g, ' ')}]`);
}

function show(source) {
  for (const known of Object.keys(SOURCES)) at(`source-${known}`).hidden = known !== source;
  const radio = at('sources').querySelector(`[value=${source}]`);
  if (radio) radio.checked = true;
  if (source !== 'image') imageSource.stop();
  if (source !== 'sound') soundSource.stop();
}

/** Abort the running request and clear the response. */
function stop() {
  running?.abort();
  reset();
}

function reset() {
  at('response').setAttribute('aria-busy', 'false');
  for (const id of ['problem', 'seen', 'timing', 'same']) at(id).hidden = true;
  for (const id of ['predictions', 'outputs', 'verdict', 'status']) at(id).replaceChildren();
  at('empty').hidden = false;
}

/** Send a request to the model; `request` has the body, its media type, and the file's name if it is a file. */
async function send(request) {
  running?.abort();
  const mine = running = new AbortController();
  const query = fields.query(at('parameters'));
  const url = `${location.origin}/infer/${encodeURIComponent(model.name)}`;
  const post = (address, accept) => fetch(address, {
    method: 'POST',
    body: request.body,
    headers: { 'content-type': request.type, accept },
    signal: mine.signal,
  });
  at('response').setAttribute('aria-busy', 'true');
  at('status').textContent = 'Waiting…';
  try {
    const start = performance.now();
    const response = await post(url + query, 'application/json');
    const text = await response.text();
    const tookMs = performance.now() - start;
    reset();
    at('response').setAttribute('aria-busy', 'true');
    at('empty').hidden = true;
    at('status').textContent = `${response.status} ${response.statusText}`;
    const content = parse(text);
    result.timing(at('timing'), at('timing-bar'), at('timing-list'), response.headers.get('server-timing'), tookMs);
    at('curl').textContent = curl(url + query, request);
    at('python').textContent = python(url + query, request, Boolean(content?.predictions?.[0]?.[0]?.label));
    at('raw').textContent = result.shortened(text);
    at('same').hidden = false;
    if (!response.ok) {
      problem(content?.error ?? text, `${response.status} to POST ${new URL(url).pathname}`);
      return;
    }
    at('verdict').textContent = await result.predictions(at('predictions'), model, request, content.predictions);
    result.outputs(at('outputs'), content.outputs);
    await showInput(url, request, post);
  } catch (error) {
    if (error.name === 'AbortError') return;
    reset();
    at('empty').hidden = true;
    problem('The service did not respond.', String(error.message));
  } finally {
    if (running === mine) at('response').setAttribute('aria-busy', 'false');
  }
}

/** Show the model's input: the pixels of an image, the tokens of a text. */
async function showInput(url, request, post) {
  if (!model.image && !model.text || model.image?.depends_on_the_image) return;
  const response = await post(`${url}/input`, model.image ? 'application/octet-stream' : 'application/json');
  if (!response.ok) return;
  at('seen-words').textContent = model.image
    ? result.pixels(at('seen-picture'), await response.arrayBuffer(), model)
    : result.tokens(at('seen-picture'), await response.json(), model);
  at('seen').hidden = false;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problem(sentence, where) {
  const small = document.createElement('small');
  small.textContent = where;
  at('problem').replaceChildren(sentence, small);
  at('problem').hidden = false;
}

function onEnter(field, run) {
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run();
  });
}

const sendText = () => send({ body: at('text').value, type: 'text/plain' });
const json = (value) => send({ body: JSON.stringify(value), type: 'application/json' });
const sendQuestion = () => json({ question: at('question').value, context: at('context').value });
const sendQuery = () => json({ query: at('query').value, documents: at('documents').value.split('\n').filter((line) => line.trim()) });
const sendTable = () => json({ instances: [fields.record(at('columns'))] });
const sendJson = () => send({ body: at('json').value, type: 'application/json' });
at('send-text').addEventListener('click', sendText);
at('send-json').addEventListener('click', sendJson);
at('send-question').addEventListener('click', sendQuestion);
at('send-query').addEventListener('click', sendQuery);
at('send-table').addEventListener('click', sendTable);
for (const id of ['question', 'context']) onEnter(at(id), sendQuestion);
for (const id of ['query', 'documents']) onEnter(at(id), sendQuery);
onEnter(at('text'), sendText);
onEnter(at('json'), sendJson);
at('clear').addEventListener('click', () => drawing.clear());

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(at(button.dataset.copy).textContent);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
}

// A file that is dropped or pasted anywhere on the page is sent to the model.
function useFile(file) {
  if (model.audio && !model.image) {
    show('sound');
    soundSource.use(file);
    return;
  }
  if (model.image) show('image');
  imageSource.use(file);
}
addEventListener('dragover', (event) => {
  event.preventDefault();
  at('drop').classList.add('over');
});
addEventListener('dragleave', () => at('drop').classList.remove('over'));
addEventListener('drop', (event) => {
  event.preventDefault();
  at('drop').classList.remove('over');
  if (event.dataTransfer.files[0]) useFile(event.dataTransfer.files[0]);
});
addEventListener('paste', (event) => {
  if (event.clipboardData.files[0]) useFile(event.clipboardData.files[0]);
});

try {
  const response = await fetch('/openapi.json');
  api = await response.json();
  if (!response.ok) throw new Error(api.error);
  const names = api['x-models'].map(({ name }) => name);
  at('model').replaceChildren(...names.map((name) => new Option(name)));
  at('model').addEventListener('change', () => select(at('model').value));
  const requested = decodeURIComponent(location.hash.slice(1));
  if (names.length === 0) throw new Error('The service has no model: add one with `cargo infer add`.');
  at('model').value = names.includes(requested) ? requested : names[0];
  select(at('model').value);
} catch (error) {
  at('empty').hidden = true;
  problem(error.message, 'GET /openapi.json');
}
