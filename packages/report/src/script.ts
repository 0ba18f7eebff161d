/**
 * The only script of a report: values under the pointer, and folded sections unfolded for print. Without it everything is
 * still there. Writes text only, never markup.
 */
export const script = `
(() => {
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  document.body.append(tip);
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  for (const svg of document.querySelectorAll('svg[data-tip]')) {
    let data;
    const cursor = svg.querySelector('.cursor');
    const hide = () => {
      tip.hidden = true;
      cursor.style.visibility = 'hidden';
    };
    svg.addEventListener('pointermove', (event) => {
      data ??= JSON.parse(svg.dataset.tip);
      const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const row = data.rows.reduce((a, b) => (Math.abs(b[0] - place.x) < Math.abs(a[0] - place.x) ? b : a));
      cursor.setAttribute('x1', row[0]);
      cursor.setAttribute('x2', row[0]);
      cursor.style.visibility = 'visible';
      tip.replaceChildren(element('b', '', row[1]));
      row[2].forEach((text, i) => {
        if (!text) return;
        const line = element('div');
        line.append(element('i', data.styles[i]), data.names[i] + ' ', element('b', '', text));
        tip.append(line);
      });
      tip.hidden = false;
      const left = event.clientX + 14;
      tip.style.left = Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 8)) + 'px';
      tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - 12) + 'px';
    });
    svg.addEventListener('pointerleave', hide);
  }
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details.run:not([open])')];
    for (const details of opened) details.open = true;
  });
  addEventListener('afterprint', () => {
    for (const details of opened) details.open = false;
  });
})();
`;
