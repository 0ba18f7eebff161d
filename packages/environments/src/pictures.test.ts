import sharp from 'sharp';
import { encodeGif, encodePng } from './encode-picture.js';
import { blankPicture, drawLine, fillRectangle, sideBySide } from './picture.js';
import { terminalText } from './terminal-text.js';
import { create } from './test-support/create.js';

const pixel = ({ width, data }: { width: number; data: Uint8Array }, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

it('draws rectangles and lines where they belong, and nothing outside', () => {
  const picture = blankPicture(20, 10);
  fillRectangle(picture, -5, 2, 3, 4, [255, 0, 0]);
  expect([pixel(picture, 0, 2), pixel(picture, 2, 3), pixel(picture, 3, 3), pixel(picture, 0, 1)]).toEqual([
    [255, 0, 0],
    [255, 0, 0],
    [255, 255, 255],
    [255, 255, 255],
  ]);
  drawLine(picture, [8, 8], [30, 8], 2, [0, 0, 255]);
  expect([pixel(picture, 10, 7), pixel(picture, 19, 8), pixel(picture, 10, 5)]).toEqual([
    [0, 0, 255],
    [0, 0, 255],
    [255, 255, 255],
  ]);
  // A disk of diameter 6 has an area of 9 π; smooth edges keep it.
  const disk = blankPicture(12, 12);
  drawLine(disk, [6, 6], [6, 6], 6, [0, 0, 0]);
  const area = disk.data.reduce((sum, v) => sum + (255 - v) / 255 / 3, 0);
  expect(Math.abs(area - 9 * Math.PI)).toBeLessThan(0.5);
});

it('writes PNG without loss and GIF with every frame', async () => {
  const environment = await create('cart-pole');
  environment.reset();
  const frames = Array.from({ length: 4 }, () => {
    environment.step(Int32Array.of(1));
    return environment.render(0);
  });
  const { data, info } = await sharp(await encodePng(frames[0]))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([300, 200]);
  expect(Buffer.compare(data, Buffer.from(frames[0].data))).toBe(0);

  const gif = await sharp(await encodeGif([...frames, frames[3]], 20), { animated: true }).metadata();
  expect([gif.pages, gif.width, gif.pageHeight, gif.delay![0], gif.loop]).toEqual([5, 300, 200, 50, 0]);
  await expect(encodeGif([])).rejects.toThrow(/at least one/);
  await expect(encodeGif([frames[0], blankPicture(2, 2)])).rejects.toThrow(/300 × 200 and 2 × 2/);
});

it('sets pictures side by side and writes them to terminals', () => {
  const both = sideBySide([blankPicture(2, 2, [255, 0, 0]), blankPicture(3, 4, [0, 0, 255])], 1);
  expect([both.width, both.height]).toEqual([6, 4]);
  expect([pixel(both, 1, 1), pixel(both, 2, 1), pixel(both, 1, 3), pixel(both, 5, 3)]).toEqual([
    [255, 0, 0],
    [255, 255, 255],
    [255, 255, 255],
    [0, 0, 255],
  ]);
  expect(terminalText(blankPicture(2, 2, [1, 2, 3]))).toBe('\x1b[38;2;1;2;3m\x1b[48;2;1;2;3m▀'.repeat(2) + '\x1b[0m\n');
});
