// Draws docs/captioned-scenes.png, two scenes of each difficulty with their captions, and the boxes and masks of their objects
// with a phrase for each: npm run captioned-scenes-picture, after a build.
import { fileURLToPath } from 'node:url';
import { Seeds } from '@retort/core';
import { captionedSceneDifficulties } from '@retort/datasets';
import sharp from 'sharp';
import { boxOf, composeNamedScene, paintNamedScene } from '../dist/named-scene.js';
import { maskOf } from '../dist/scene.js';
import { captionsOf, phraseOf } from '../dist/scene-texts.js';

const [pixels, size, gap, wide, line] = [32, 128, 8, 770, 17];
const marks = ['#ff2d2d', '#22c55e', '#3b82f6'];
const seeds = new Seeds(0).within('picture');

/** An image as it is, the same with masks and boxes, and its texts. */
async function rowOf(difficulty, number) {
  const random = seeds.at(difficulty, number);
  const scene = composeNamedScene(random, 5 * number + 1, pixels, [2, 3], captionedSceneDifficulties[difficulty]);
  const image = await sharp(paintNamedScene(scene, pixels, random), {
    raw: { width: pixels, height: pixels, channels: 3 },
  })
    .resize(size, size, { kernel: 'nearest' })
    .png()
    .toBuffer();
  const scale = size / pixels;
  const shown = scene.objects.map((object, i) => {
    const mask = maskOf(object, pixels);
    const [left, top, right, bottom] = boxOf(mask, pixels).map((value) => value * scale);
    const squares = [...mask].flatMap((inside, at) =>
      inside ? [`M${(at % pixels) * scale},${Math.floor(at / pixels) * scale}h${scale}v${scale}h${-scale}z`] : [],
    );
    return `<path d="${squares.join('')}" fill="${marks[i]}" fill-opacity="0.55"/>
      <rect x="${left + 1}" y="${top + 1}" width="${right - left - 2}" height="${bottom - top - 2}" fill="none"
        stroke="${marks[i]}" stroke-width="2"/>`;
  });
  const captions = captionsOf(scene, seeds.at('captions', number)).map((text) => ({ text, color: 'black' }));
  const phrases = scene.objects.map((object, i) => ({
    text: phraseOf(scene, object, seeds.at('phrases', number, i)),
    color: marks[i],
  }));
  const texts = [{ text: difficulty, color: 'gray' }, ...captions];
  const lines = texts.map(({ text, color }, i) => `<text x="0" y="${14 + i * line}" fill="${color}">${text}</text>`);
  const spans = phrases.map(({ text, color }) => `<tspan fill="${color}">${text}</tspan>`).join('<tspan>  ·  </tspan>');
  return {
    image,
    marked: Buffer.from(`<svg width="${size}" height="${size}">${shown.join('')}</svg>`),
    texts:
      Buffer.from(`<svg width="${wide}" height="${size}" font-size="12.5" font-family="sans-serif">${lines.join('')}
      <text x="0" y="${14 + texts.length * line}" xml:space="preserve">${spans}</text></svg>`),
  };
}

const rows = await Promise.all(
  ['easy', 'medium', 'hard'].flatMap((difficulty) => [0, 1].map((number) => rowOf(difficulty, number))),
);
const pieces = rows.flatMap(({ image, marked, texts }, row) => {
  const top = gap + row * (size + gap);
  return [
    { input: image, left: gap, top },
    { input: image, left: 2 * gap + size, top },
    { input: marked, left: 2 * gap + size, top },
    { input: texts, left: 4 * gap + 2 * size, top },
  ];
});
await sharp({
  create: {
    width: 4 * gap + 2 * size + wide,
    height: gap + rows.length * (size + gap),
    channels: 3,
    background: 'white',
  },
})
  .composite(pieces)
  .png({ palette: true, compressionLevel: 9 })
  .toFile(fileURLToPath(new URL('../../../docs/captioned-scenes.png', import.meta.url)));
