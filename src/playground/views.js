// Views of predictions: boxes and masks over the image, entities in the text, passages in order.
import { element, format, scores } from '/playground/elements.js';

const COLORS = ['#4e79a7', '#f28e2c', '#e15759', '#76b7b2', '#59a14f', '#edc949', '#af7aa1', '#ff9da7', '#9c755f', '#bab0ab'];
const colorOf = (index) => COLORS[index % COLORS.length];
const png = (base64) => `data:image/png;base64,${base64}`;

async function picture(source) {
  const image = new Image();
  image.src = source instanceof Blob ? URL.createObjectURL(source) : source;
  await image.decode();
  return image;
}

/** A canvas with the image of the request, or an empty one of a size that fits the predictions. */
async function background(request, [width, height]) {
  const canvas = element('canvas', { className: 'drawn', width, height });
  canvas.setAttribute('role', 'img');
  const context = canvas.getContext('2d');
  if (request.body instanceof Blob) {
    const image = await picture(request.body).catch(() => null);
    if (image) {
      // The browser applies the EXIF orientation, as the service does.
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      return { canvas, context, paint: () => context.drawImage(image, 0, 0) };
    }
  }
  return { canvas, context, paint: () => context.clearRect(0, 0, canvas.width, canvas.height) };
}

/** A mask in the color of its class, as a layer. */
function tinted(mask, color) {
  const layer = element('canvas', { width: mask.naturalWidth, height: mask.naturalHeight });
  const context = layer.getContext('2d');
  context.drawImage(mask, 0, 0);
  const data = context.getImageData(0, 0, layer.width, layer.height);
  const channels = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  for (let at = 0; at < data.data.length; at += 4) {
    data.data[at + 3] = data.data[at] / 2;
    channels.forEach((value, channel) => { data.data[at + channel] = value; });
  }
  context.putImageData(data, 0, 0);
  return layer;
}

/** Boxes with masks and points over the image; a slider hides those with smaller scores. */
export async function boxes(item, request) {
  const far = (axis) => Math.ceil(Math.max(1, ...item.map(({ box }) => box[axis])));
  const { canvas, context, paint } = await background(request, [far('xmax'), far('ymax')]);
  const layers = await Promise.all(item.map(async ({ mask, index }) => mask && tinted(await picture(png(mask)), colorOf(index))));
  const list = element('ol', { className: 'found' });
  const draw = (least) => {
    const shown = item.map((found, at) => ({ ...found, layer: layers[at] })).filter(({ score }) => score >= least);
    const unit = Math.max(canvas.width, canvas.height) / 400;
    paint();
    for (const { layer } of shown) if (layer) context.drawImage(layer, 0, 0);
    context.lineWidth = 2 * unit;
    context.font = `${12 * unit}px system-ui, sans-serif`;
    context.textBaseline = 'bottom';
    for (const { label, index, score, box, polygon, keypoints = [] } of shown) {
      context.strokeStyle = context.fillStyle = colorOf(index);
      const corners = polygon ?? [[box.xmin, box.ymin], [box.xmax, box.ymin], [box.xmax, box.ymax], [box.xmin, box.ymax]];
      context.beginPath();
      for (const corner of corners) context.lineTo(...corner);
      context.closePath();
      context.stroke();
      for (const point of keypoints) {
        if ((point.score ?? 1) < 0.5) continue;
        context.beginPath();
        context.arc(point.x, point.y, 3 * unit, 0, 2 * Math.PI);
        context.fill();
      }
      const caption = `${label} ${format(score, true)}`;
      const top = Math.max(box.ymin, 15 * unit);
      context.fillRect(box.xmin, top - 15 * unit, context.measureText(caption).width + 6 * unit, 15 * unit);
      context.fillStyle = '#000';
      context.fillText(caption, box.xmin + 3 * unit, top);
    }
    list.replaceChildren(...shown.map(({ label, score, index }) => {
      const mark = element('i', { ariaHidden: 'true' });
      mark.style.setProperty('--color', colorOf(index));
      return element('li', {}, mark, element('span', { textContent: label }), element('span', { className: 'score', textContent: format(score, true) }));
    }));
    canvas.setAttribute('aria-label', `The image with ${shown.length} boxes`);
  };
  const least = item.length ? Math.min(...item.map(({ score }) => score)) : 0;
  const slider = element('input', { type: 'range', min: 0, max: 1, step: 0.01, value: Math.floor(least * 100) / 100 });
  const shown = element('output', { textContent: slider.value });
  slider.addEventListener('input', () => { shown.textContent = slider.value; draw(Number(slider.value)); });
  draw(0);
  const [best] = item;
  return [
    element('div', {}, canvas, element('label', { className: 'slider' }, 'Least score ', slider, shown), list),
    best ? `${item.length} found, ${best.label} ${format(best.score, true)}` : 'nothing found',
  ];
}

/** Masks in color over the image. */
export async function segments(item, request) {
  const masks = await Promise.all(item.map(({ mask }) => picture(png(mask))));
  const { canvas, context, paint } = await background(request, [masks[0]?.naturalWidth ?? 1, masks[0]?.naturalHeight ?? 1]);
  paint();
  masks.forEach((mask, index) => context.drawImage(tinted(mask, colorOf(index)), 0, 0));
  canvas.setAttribute('aria-label', `The image with ${item.length} masks`);
  const list = element('ol', { className: 'found' }, ...item.map(({ label, score }, index) => {
    const mark = element('i', { ariaHidden: 'true' });
    mark.style.setProperty('--color', colorOf(index));
    return element('li', {}, mark, element('span', { textContent: label }), element('span', { className: 'score', textContent: format(score, true) }));
  }));
  return [element('div', {}, canvas, list), item.map(({ label }) => label).join(', ')];
}

/** A map in shades of gray, with its range. */
export async function map([{ map: file, min, max }]) {
  const image = element('img', { className: 'drawn', src: png(file), alt: `A map with values from ${min} to ${max}` });
  const range = `from ${+min.toPrecision(4)} (black) to ${+max.toPrecision(4)} (white)`;
  return [element('div', {}, image, element('p', { className: 'hint', textContent: `Values ${range}` })), `a map ${range}`];
}

/** Spans of a text, marked in it. Offsets count characters. */
function marked(text, spans) {
  const characters = [...text];
  const parts = [];
  let at = 0;
  const labels = [...new Set(spans.map(({ label }) => label))];
  for (const { start, end, label, score } of [...spans].sort((a, b) => a.start - b.start)) {
    if (start < at) continue;
    parts.push(characters.slice(at, start).join(''));
    const mark = element('mark', {}, characters.slice(start, end).join(''), element('small', { textContent: label }));
    mark.title = format(score, true);
    mark.style.setProperty('--color', colorOf(labels.indexOf(label)));
    parts.push(mark);
    at = end;
  }
  parts.push(characters.slice(at).join(''));
  return element('p', { className: 'marked' }, ...parts);
}

/** The texts of a request, one for each item. */
function textOf(request, index, member) {
  if (request.type === 'text/plain') return request.body;
  try {
    const value = JSON.parse(request.body)[member];
    return Array.isArray(value) ? value[index] : value;
  } catch {
    return null;
  }
}

/** Entities, marked in the text. */
export async function entities(item, request, index) {
  const text = textOf(request, index, 'text');
  const view = text === null || text === undefined ? scores(item)[0] : marked(text, item);
  return [view, item.length ? item.map(({ text, label }) => `${text} (${label})`).join(', ') : 'no entities'];
}

/** Answers, the best one marked in its context. */
export async function answers(item, request, index) {
  const context = textOf(request, index, 'context');
  const rows = item.map(({ text, score }) => ({ label: text || 'no answer', score }));
  const [best] = item;
  const shown = context && best?.text ? [marked(context, [{ ...best, label: 'answer' }])] : [];
  return [element('div', {}, ...shown, scores(rows)[0]), best ? rows[0].label : 'no answer'];
}

/** Documents in the order of their scores. */
export async function passages(item, request) {
  let documents = [];
  try {
    documents = JSON.parse(request.body).documents ?? [];
  } catch { /* The response says it. */ }
  const rows = item.map(({ index, score, text }) => ({ label: text ?? documents[index] ?? `Document ${index}`, score }));
  return [scores(rows)[0], rows[0]?.label];
}

/** Words in the place of a mask. */
export async function words(item) {
  const rows = item.map(({ text, score }) => ({ label: text, score }));
  return [scores(rows)[0], item[0]?.label];
}

/** What a recording says, with the time of each word. */
export async function speech([{ text, chunks = [] } = {}]) {
  const seconds = (value) => `${value.toFixed(2)} s`;
  const list = chunks.map(({ text, start, end }) =>
    element('span', {}, text, element('small', { textContent: `${seconds(start)} to ${seconds(end)}` })));
  return [element('div', {}, element('p', { className: 'marked', textContent: text || 'Nothing was recognized.' }),
    element('div', { className: 'tokens' }, ...list)), text];
}

/** The parts of a recording with a voice, as bars over its time. */
export async function voice(item) {
  const end = Math.max(1e-9, ...item.map(({ end }) => end));
  const parts = item.map(({ start, end: until, score }) => {
    const part = element('i', { title: format(score, true) });
    part.style.setProperty('--from', start / end);
    part.style.setProperty('--share', (until - start) / end);
    return part;
  });
  const words = item.map(({ start, end }) => `${start.toFixed(2)} s to ${end.toFixed(2)} s`).join(', ') || 'no voice';
  return [element('div', {}, element('div', { className: 'voice', ariaHidden: 'true' }, ...parts), element('p', { textContent: words })), words];
}

/** Numbers. */
export async function values(item) {
  const text = item.map(({ value }) => value).join(', ');
  return [element('p', { className: 'marked', textContent: text }), text];
}
