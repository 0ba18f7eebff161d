import type { Picture } from '@retort/core';

/** Red, green and blue, 0 to 255. */
export type Color = readonly [number, number, number];

/** A picture of one color. */
export function blankPicture(width: number, height: number, [red, green, blue]: Color = [255, 255, 255]): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 3) {
    data[i] = red;
    data[i + 1] = green;
    data[i + 2] = blue;
  }
  return { width, height, data };
}

/** Fills a rectangle; coordinates are rounded to pixels and what lies outside is left out. */
export function fillRectangle(
  { width, height, data }: Picture,
  left: number,
  top: number,
  right: number,
  bottom: number,
  color: Color,
): void {
  for (let y = Math.max(0, Math.round(top)); y < Math.min(height, Math.round(bottom)); y++) {
    for (let x = Math.max(0, Math.round(left)); x < Math.min(width, Math.round(right)); x++) {
      data.set(color, (y * width + x) * 3);
    }
  }
}

/** A line with round ends, smooth at its edge; from a point to the same point it is a disk of diameter `thickness`. */
export function drawLine(
  { width, height, data }: Picture,
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
  thickness: number,
  color: Color,
): void {
  const radius = thickness / 2;
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squaredLength = dx * dx + dy * dy;
  const [left, right] = [Math.min(x0, x1) - radius - 1, Math.max(x0, x1) + radius + 1];
  const [top, bottom] = [Math.min(y0, y1) - radius - 1, Math.max(y0, y1) + radius + 1];
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, bottom); y++) {
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(width, right); x++) {
      const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = squaredLength === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squaredLength));
      const distance = Math.hypot(px - along * dx, py - along * dy) - radius;
      const share = Math.min(1, Math.max(0, 0.5 - distance));
      if (share === 0) continue;
      const at = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) data[at + c] = Math.round(data[at + c] * (1 - share) + color[c] * share);
    }
  }
}

/** Pictures in a row, from the top, with `gap` white pixels between them. */
export function sideBySide(pictures: readonly Picture[], gap = 8): Picture {
  const width = pictures.reduce((sum, picture) => sum + picture.width + gap, -gap);
  const whole = blankPicture(width, Math.max(...pictures.map(({ height }) => height)));
  let left = 0;
  for (const picture of pictures) {
    const row = picture.width * 3;
    for (let y = 0; y < picture.height; y++) {
      whole.data.set(picture.data.subarray(y * row, (y + 1) * row), (y * width + left) * 3);
    }
    left += picture.width + gap;
  }
  return whole;
}
