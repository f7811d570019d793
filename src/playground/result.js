// The response as HTML elements.
import { element, scores } from '/playground/elements.js';
import * as views from '/playground/views.js';

export function definitions(list, entries) {
  list.replaceChildren(...entries.map(([term, text, className = '']) =>
    element('div', { className }, element('dt', { textContent: term }), element('dd', { textContent: text }))));
}

/** A text, truncated to a length that the page can show. */
export function shortened(text) {
  const MAX = 20000;
  return text.length <= MAX ? text : `${text.slice(0, MAX)}… (${text.length} characters in all)`;
}

// One view per task: it turns one item's list of predictions into an element and a summary. The key is the
// task's member in the model's description in /openapi.json.
const VIEWS = {
  classification: scores,
  zero_shot: scores,
  detection: views.boxes,
  segmentation: views.segments,
  depth: views.map,
  token_classification: views.entities,
  question_answering: views.answers,
  fill_mask: views.words,
  ranking: views.passages,
  regression: views.values,
  transcription: views.speech,
  voice_activity: views.voice,
};

/** The predictions of each item of the batch, in the view of the model's task. Returns a summary. */
export async function predictions(place, model, request, items = []) {
  const task = Object.keys(VIEWS).find((key) => model[key]);
  if (!task) return '';
  const made = await Promise.all(items.map((item, index) => VIEWS[task](item, request, index)));
  place.replaceChildren(...made.map(([view], index) => {
    const heading = items.length > 1 ? [element('h3', { textContent: `Item ${index + 1}` })] : [];
    return element('div', { className: 'item' }, ...heading, view);
  }));
  return made.length ? `Best: ${made.map(([, summary]) => summary).join('; ')}` : '';
}

/** The output tensors with their datatypes, shapes and first values. */
export function outputs(place, tensors = []) {
  const FIRST = 24;
  place.replaceChildren(...tensors.map(({ name, datatype, shape, data }) => {
    const values = data.slice(0, FIRST).map((value) => typeof value === 'number' ? +value.toPrecision(6) : value);
    const rest = data.length > FIRST ? `, … ${data.length} values` : '';
    return element('div', { className: 'tensor' },
      element('strong', { textContent: name }), ` ${datatype} [${shape.join(', ')}]`,
      element('pre', { textContent: values.join(', ') + rest, tabIndex: 0, ariaLabel: `Values of ${name}`, role: 'group' }));
  }));
}

const PHASES = { decode: 'body to tensor', load: 'find the model', compute: 'inference', encode: 'tensor to response' };

/** The header `Server-Timing` as a bar, and the round-trip time. */
export function timing(section, bar, list, header, tookMs) {
  const phases = (header ?? '').split(',').map((entry) => entry.trim().split(';dur='))
    .filter(([name, ms]) => name in PHASES && ms !== undefined);
  section.hidden = phases.length === 0;
  bar.replaceChildren(...phases.map(([name, ms]) => {
    const part = element('i', { className: name });
    part.style.setProperty('--share', ms);
    return part;
  }));
  const milliseconds = (ms) => `${Number(ms).toFixed(Number(ms) < 10 ? 2 : 0)} ms`;
  definitions(list, [
    ...phases.map(([name, ms]) => [`${name} (${PHASES[name]})`, milliseconds(ms), name]),
    ['round trip', milliseconds(tookMs)],
  ]);
}

/** The input tensor as images, one per item of the batch, with the card's scale, mean and std undone. */
export function pixels(place, buffer, { image, inputs: [input] }) {
  const { width, height, layout, scale, mean, std } = image;
  const channels = image.channels === 'gray' ? 1 : 3;
  const values = numbers(buffer, input.datatype);
  const size = width * height * channels;
  const pictures = [];
  for (let start = 0; start + size <= values.length && pictures.length < 8; start += size) {
    const canvas = element('canvas', { width, height });
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `The preprocessed image, ${width} by ${height}`);
    const context = canvas.getContext('2d');
    const data = context.createImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let color = 0; color < 3; color++) {
        // The tensor's channel for red, green or blue.
        const channel = { gray: 0, rgb: color, bgr: 2 - color }[image.channels];
        const at = layout === 'nchw' ? channel * width * height + pixel : pixel * channels + channel;
        const of = (list) => list[channel] ?? list[0];
        data.data[pixel * 4 + color] = Math.round((values[start + at] * of(std) + of(mean)) / scale);
      }
      data.data[pixel * 4 + 3] = 255;
    }
    context.putImageData(data, 0, 0);
    pictures.push(canvas);
  }
  place.replaceChildren(element('div', { className: 'pictures' }, ...pictures));
  const [least, most] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  return `${width} × ${height} ${image.channels}, ${layout}, ${input.datatype}; values from ${+least.toPrecision(3)} to ${+most.toPrecision(3)}`;
}

/** The tokens of each text with their ids. */
export function tokens(place, response, { text }) {
  const rows = response.tokens ?? [];
  const ids = response.inputs.map(({ data }) => data).find((data) => data.some((id) => id > 1)) ?? [];
  place.replaceChildren(...rows.slice(0, 8).map((row, index) => {
    // With padding, ids and tokens have different positions.
    const numbered = rows.length === 1 && ids.length === row.length;
    return element('div', { className: 'tokens' }, ...row.map((token, place) =>
      element('span', { textContent: token }, ...numbered ? [element('small', { textContent: ids[place] })] : [])));
  }));
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  return `${count} tokens; texts are truncated to ${text.max_tokens}`;
}

function numbers(buffer, datatype) {
  if (datatype === 'UINT8') return new Uint8Array(buffer);
  if (datatype === 'FP16') return Float32Array.from(new Uint16Array(buffer), half);
  return new Float32Array(buffer);
}

function half(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
