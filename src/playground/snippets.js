// The request as a command or a program.

/** Longer bodies go into a file. */
const MAX_INLINE = 2000;

/** A literal word for a POSIX shell. */
function shell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function curl(url, { body, type, file }) {
  const name = file ?? (body.length > MAX_INLINE ? stored(type) : null);
  // Unlike `-d`, `--data-raw` takes a body that begins with `@` literally.
  const data = name ? `--data-binary ${shell(`@${name}`)}` : `--data-raw ${shell(body)}`;
  return `curl -H ${shell(`content-type: ${type}`)} ${data} ${shell(url)}`;
}

export function python(url, { body, type, file }, hasPredictions) {
  const name = file ?? (body.length > MAX_INLINE ? stored(type) : null);
  const lines = ['import json', 'import urllib.request', ''];
  if (name) {
    lines.push(`with open(${literal(name)}, "rb") as file:`, '    body = file.read()');
  } else {
    lines.push(`body = ${longLiteral(body)}.encode()`);
  }
  lines.push(
    `request = urllib.request.Request(${literal(url)}, body, {"Content-Type": ${literal(type)}})`,
    'with urllib.request.urlopen(request) as response:',
    '    result = json.load(response)',
  );
  if (hasPredictions) {
    lines.push('for item in result["predictions"]:', '    for guess in item:',
      '        print(guess["label"], round(guess["score"], 4))');
  } else {
    lines.push('print(result["outputs"])');
  }
  return lines.join('\n');
}

function stored(type) {
  return type === 'application/json' ? 'request.json' : 'request.txt';
}

/** A Python literal: JSON strings are valid in Python. */
function literal(text) {
  return JSON.stringify(text);
}

function longLiteral(text) {
  const isPlain = text.includes('"') && !/\\|\r|"""|"$/.test(text);
  return isPlain ? `"""${text}"""` : literal(text);
}
