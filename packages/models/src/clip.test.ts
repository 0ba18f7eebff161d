import * as tf from '@tensorflow/tfjs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatasetText, InputError, outputTensors, type Student } from '@retort/core';
import { forward, gradientsOf, loadLayersModel, namedWeights, saveLayersModel, subNetwork } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { clip, clipSizes } from './clip.js';
import { clipSpec, type TowerSizes } from './clip-spec.js';
import { registerLayers } from './layers/register-layers.js';
import { countNetwork } from './network-spec.js';
import { studentContext } from './test-support/student-context.js';

/** Texts of five ids out of twenty; 19 closes them. */
const text = {
  tokenizer: { vocabularySize: 20, contextLength: 5, endToken: 19, fingerprint: '', encode: () => null as never },
  prompts: [],
} satisfies DatasetText;
const sizes = { width: 12, depth: 2, heads: 3, patchSize: 4, textWidth: 8, textDepth: 2, textHeads: 2, embedding: 6 };
const context = studentContext({ imageShape: [8, 12, 3], text });
const make = async (options: object = {}, of = context) =>
  (await clip.create(clip.options.parse({ ...sizes, ...options }) as never, of)) as Student;
const image = (batch = 2) =>
  tf.tensor4d(
    Float32Array.from({ length: batch * 8 * 12 * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i)),
    [batch, 8, 12, 3],
  );
const tokens = (rows = texts) => tf.tensor2d(rows, [rows.length, 5], 'int32');
const texts = [
  [18, 3, 4, 19, 19],
  [18, 7, 19, 0, 0],
];

describe('counting', () => {
  const published = {
    imageShape: [224, 224, 3] as [number, number, number],
    normalization: context.normalization,
    activation: 'quick-gelu',
    boxHead: false,
    vocabularySize: 49_408,
    contextLength: 77,
    endToken: 49_407,
  } as const;

  /** A tower by its definition: N tokens of width D, of which query, key, value, projection and a hidden layer of 4D are 12 N D². */
  const tower = (tokens: number, { width, depth }: TowerSizes) =>
    depth * (12 * tokens * width ** 2 + 2 * tokens ** 2 * width);

  it.each([
    ['vit-b-32', 151_277_313],
    ['vit-b-16', 149_620_737],
    ['vit-l-14', 427_616_513],
  ] as const)('counts %s', (variant, parameters) => {
    const { image, text, embedding } = clipSizes(variant);
    const patches = (224 / image.patchSize) ** 2;
    const macs =
      patches * 3 * image.patchSize ** 2 * image.width +
      tower(patches + 1, image) +
      tower(77, text) +
      (image.width + text.width) * embedding;
    expect(countNetwork(clipSpec({ ...clipSizes(variant), ...published }))).toEqual({ parameters, macs });
  });
});

describe('a CLIP that cannot be', () => {
  it.each([
    [{}, studentContext(), 'student clip reads texts, and the data set has none'],
    [{ textHeads: 3 }, context, '3 heads do not divide a width of 8'],
    [{ patchSize: 5 }, context, 'patches of 5 x 5 do not divide images of 8 x 12'],
  ])('%# is refused', async (options, of, message) => {
    const error = await make(options, of).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ message, where: 'student' });
  });
});

describeEachBackend('clip', () => {
  it('gives what it offers, and has the parameters it counts', async () => {
    const student = await make({ boxHead: true });
    const offers = { imageEmbedding: [6], textEmbedding: [6], logitScale: [], boxes: [4] };
    expect(student.offers).toEqual(offers);
    expect(Object.keys(student.offers)).toEqual(Object.keys(offers));
    expect(student.model.inputNames).toEqual(['image', 'tokens']);
    expect(student.blocks).toEqual(['image_block1_mlp_add', 'image_block2_mlp_add']);
    expect(student.imports).toBe('@retort/models/layers');
    const output = forward(student, { image: image(), tokens: tokens() }, { training: false });
    expect(outputTensors(output).map(({ shape }) => shape)).toEqual([[2, 6], [2, 6], [], [2, 4]]);
    await expectClose(output.logitScale!, [1 / 0.07]);
    for (const [left, top, right, bottom] of (await output.boxes!.array()) as number[][]) {
      expect([left >= 0, top >= 0, right <= 1, bottom <= 1, left < right, top < bottom]).not.toContain(false);
    }
    const weights = Object.values(namedWeights(student.model).trainable);
    expect(weights.reduce((sum, { size }) => sum + size, 0)).toBe(student.parameters);
    student.model.dispose();
  });

  it('reads more texts than images, and either alone', async () => {
    const student = await make();
    const rows = [...texts, [18, 19, 1, 2, 3], [18, 1, 2, 3, 19]];
    const both = forward(student, { image: image(), tokens: tokens(rows) }, { training: false });
    const images = subNetwork(student, 'image', ['imageEmbedding', 'logitScale']);
    const alone = forward(images, { image: image() }, { training: false });
    await expectClose(alone.imageEmbedding!, both.imageEmbedding!, { absolute: 1e-6 });
    await expectClose(alone.logitScale!, both.logitScale!, { absolute: 0, relative: 0 });
    const words = forward(
      subNetwork(student, 'tokens', ['textEmbedding']),
      { tokens: tokens(rows) },
      { training: false },
    );
    expect(words.textEmbedding!.shape).toEqual([4, 6]);
    await expectClose(words.textEmbedding!, both.textEmbedding!, { absolute: 1e-6 });
    student.model.dispose();
  });

  it('sees nothing of a text after its first end token', async () => {
    const student = await make();
    const embedding = (rows: number[][]) =>
      forward(student, { image: image(), tokens: tokens(rows) }, { training: false }).textEmbedding!;
    const changed = [
      [18, 3, 4, 19, 5],
      [18, 7, 19, 19, 11],
    ];
    await expectClose(embedding(changed), embedding(texts), { absolute: 1e-6 });
    const other = (await embedding([[18, 4, 4, 19, 19], texts[1]]).array()) as number[][];
    const own = (await embedding(texts).array()) as number[][];
    expect(Math.max(...own[0].map((value, i) => Math.abs(value - other[0][i])))).toBeGreaterThan(1e-3);
    student.model.dispose();
  });

  it('passes gradients to every trainable weight', async () => {
    const student = await make({ boxHead: true, activation: 'gelu' });
    const { trainable } = namedWeights(student.model);
    const { gradients } = gradientsOf(() => {
      const { imageEmbedding, textEmbedding, logitScale, boxes } = forward(
        student,
        { image: image(), tokens: tokens() },
        { training: true },
      );
      const logits = tf.matMul(imageEmbedding!, textEmbedding!, false, true).mul(logitScale!);
      return tf.logSoftmax(logits).mul(tf.eye(2)).sum().add(boxes!.square().sum()) as tf.Scalar;
    }, trainable);
    for (const key of Object.keys(trainable).filter((name) => name !== 'box_key/bias')) {
      expect([key, (await gradients[key]?.abs().max().data())?.[0] > 0]).toEqual([key, true]);
    }
    student.model.dispose();
  });

  it('is saved, and opens again', async () => {
    registerLayers();
    const folder = mkdtempSync(join(tmpdir(), 'retort-clip-'));
    const student = await make({ boxHead: true });
    await saveLayersModel(student.model, folder);
    const { model } = await loadLayersModel(join(folder, 'model.json'));
    rmSync(folder, { recursive: true });
    const [own, loaded] = [student.model, model].map((each) =>
      outputTensors(
        forward({ model: each, offers: student.offers }, { image: image(), tokens: tokens() }, { training: false }),
      ),
    );
    for (const [i, output] of own.entries()) await expectClose(loaded[i], output, { absolute: 0, relative: 0 });
    student.model.dispose();
    model.dispose();
  });

  it('leaves nothing behind', () =>
    expectNoLeak(async () => {
      const student = await make({ boxHead: true });
      const inputs = { image: image(), tokens: tokens() };
      tf.dispose([...outputTensors(forward(student, inputs, { training: true })), ...Object.values(inputs)]);
      student.model.dispose();
    }));
});
