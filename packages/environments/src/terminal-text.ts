import type { Picture } from '@retort/core';

/** A picture for terminals with 24-bit color: each character shows two cells, its upper and its lower half. */
export function terminalText(picture: Picture, columns = 60): string {
  const { width, height } = picture;
  const across = Math.min(columns, width);
  const lines = Math.max(1, Math.round((across * height) / width / 2));
  const code = (kind: 38 | 48, line: number, column: number) =>
    `\x1b[${kind};2;${meanColor(picture, column / across, line / (2 * lines), 1 / across, 1 / (2 * lines)).join(';')}m`;
  let text = '';
  for (let line = 0; line < lines; line++) {
    for (let column = 0; column < across; column++) {
      text += `${code(38, 2 * line, column)}${code(48, 2 * line + 1, column)}▀`;
    }
    text += '\x1b[0m\n';
  }
  return text;
}

/** The mean color of a part of a picture; left, top, width and height in parts of the whole. */
function meanColor(picture: Picture, left: number, top: number, width: number, height: number): number[] {
  const sum = [0, 0, 0];
  const [x0, y0] = [Math.floor(left * picture.width), Math.floor(top * picture.height)];
  const x1 = Math.max(x0 + 1, Math.floor((left + width) * picture.width));
  const y1 = Math.max(y0 + 1, Math.floor((top + height) * picture.height));
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      for (let c = 0; c < 3; c++) sum[c] += picture.data[(y * picture.width + x) * 3 + c];
    }
  }
  return sum.map((value) => Math.round(value / ((x1 - x0) * (y1 - y0))));
}
