// Draws docs/augmentations.png, a row of samples per augmentation: npm run augmentation-picture, after a build.
import { fileURLToPath } from 'node:url';
import { Seeds } from '@retort/core';
import { scenes } from '@retort/datasets';
import sharp from 'sharp';

const part = { use: 'random-resized-crop', area: [0.3, 1] };
const rows = [
  ['nothing', []],
  ['crop, flip', ['crop', 'flip']],
  ['random-resized-crop', [part]],
  ['rand-augment', ['rand-augment']],
  ['random-erasing', [{ use: 'random-erasing', probability: 1 }]],
  ['mixup', [{ use: 'mixup', alpha: 4 }]],
  ['cut-mix', [{ use: 'cut-mix', alpha: 4 }]],
  [
    "DeiT's recipe",
    [part, 'flip', { use: 'rand-augment', deviation: 0.5, probability: 0.5 }, 'random-erasing', 'mixup', 'cut-mix'],
  ],
];
const columns = 7;
const [size, gap, text] = [64, 4, 150];

/** The first samples of a train split under an augmentation, as PNG files in memory. */
async function imagesUnder(augment) {
  const options = scenes.options.parse({
    ...{ size, classes: 12, difficulty: 'easy', noise: 0, train: 64, validation: 0, batchSize: 64, padding: 10 },
    augment,
  });
  const dataset = await scenes.create(options, { seeds: new Seeds(1), baseFolder: '.', path: 'dataset' });
  const { index, inputs } = await dataset.batch({ split: 'train', epoch: 0, step: 0 });
  const length = size * size * 3;
  return Promise.all(
    Array.from({ length: columns }, (_, sample) => {
      const at = index.indexOf(sample) * length;
      const bytes = Uint8Array.from(inputs.image.data.slice(at, at + length), (value) => Math.round(255 * value));
      return sharp(bytes, { raw: { width: size, height: size, channels: 3 } })
        .png()
        .toBuffer();
    }),
  );
}

const pieces = [];
for (const [row, [name, augment]] of rows.entries()) {
  const top = gap + row * (size + gap);
  const label = `<svg width="${text}" height="${size}"><text x="${text - 8}" y="${size / 2 + 4}" font-size="13"
    font-family="sans-serif" text-anchor="end">${name}</text></svg>`;
  pieces.push({ input: Buffer.from(label), left: 0, top });
  for (const [column, input] of (await imagesUnder(augment)).entries()) {
    pieces.push({ input, left: text + column * (size + gap), top });
  }
}
await sharp({
  create: {
    width: text + columns * (size + gap),
    height: gap + rows.length * (size + gap),
    channels: 3,
    background: 'white',
  },
})
  .composite(pieces)
  .png({ palette: true, compressionLevel: 9 })
  .toFile(fileURLToPath(new URL('../../../docs/augmentations.png', import.meta.url)));
