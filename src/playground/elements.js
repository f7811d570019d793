// Elements that several views use.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Labels with scores as bars. */
export function scores(item) {
  // Without an activation a score can be any number; the bars are then relative to the largest score.
  const isShare = item.every(({ score }) => score >= 0 && score <= 1.0001);
  const most = isShare ? 1 : Math.max(...item.map(({ score }) => Math.abs(score)), 1e-9);
  const rows = item.map(({ label, score }) => {
    const bar = element('i');
    bar.style.setProperty('--share', Math.max(score, 0) / most);
    const track = element('span', { className: 'track', ariaHidden: 'true' }, bar);
    return element('li', {}, element('span', { className: 'label', textContent: label }), track,
      element('span', { className: 'score', textContent: format(score, isShare) }));
  });
  const [best] = item;
  const summary = best && `${best.label}, ${format(best.score, best.score <= 1.0001)}`;
  return [element('ol', { className: 'scores' }, ...rows), summary];
}

export function format(score, isShare) {
  return isShare ? `${(score * 100).toFixed(2)} %` : score.toPrecision(5);
}
