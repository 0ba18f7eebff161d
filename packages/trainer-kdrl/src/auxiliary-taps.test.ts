import { Random, Registry, resolvePart, Seeds } from '@retort/core';
import { plugin as models } from '@retort/models';
import { forward, gradientsOf, namedWeights } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createAuxiliaryTaps, tapsAtDepth, tokenPoolOf } from './auxiliary-taps.js';
import { normals, rowsOf, unit } from './test-support/planted.js';

const [B, d, D] = [3, 5, 4];
const offers = { logits: [2], block1: [7, d], stage2: [2, 3, d], embedding: [d] };
const create = (names: string[], seed = 1) =>
  createAuxiliaryTaps(names, offers, D, new Random([seed, 0]), 'trainer.aux');

/** The head written out in float64: layer normalization, linear map, unit length. */
function head(x: number[], { gamma, beta, kernel, bias }: Record<string, ArrayLike<number>>): number[] {
  const mean = x.reduce((a, b) => a + b) / d;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / d;
  const normalized = x.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * gamma[i] + beta[i]);
  return unit(Array.from(bias, (b, j) => normalized.reduce((sum, value, i) => sum + value * kernel[i * D + j], b)));
}

describeEachBackend('auxiliary taps', () => {
  const random = new Random([8, 1]);
  const tokens = normals(B * 7 * d, random);
  const map = normals(B * 6 * d, random);
  const embedding = normals(B * d, random);
  const output = () => ({
    embedding: tf.tensor2d(embedding, [B, d]),
    taps: { block1: tf.tensor3d(tokens, [B, 7, d]), stage2: tf.tensor4d(map, [B, 2, 3, d]) },
  });
  /** Heads whose numbers are all different. */
  const shaken = (names: string[]) => {
    const taps = create(names);
    for (const variable of Object.values(taps.variables)) {
      variable.assign(tf.tensor(normals(variable.size, random), variable.shape));
    }
    return taps;
  };

  it('take the class token, the mean over positions, or the embedding', async () => {
    const names = ['block1', 'stage2', 'embedding'];
    const taps = shaken(names);
    const inputs = {
      block1: rowsOf(tokens, 7 * d).map((row) => row.slice(0, d)),
      stage2: rowsOf(map, 6 * d).map((row) =>
        Array.from({ length: d }, (_, i) => rowsOf(row, d).reduce((sum, position) => sum + position[i] / 6, 0)),
      ),
      embedding: rowsOf(embedding, d),
    };
    const features = taps.apply(output());
    for (const [i, name] of (names as (keyof typeof inputs)[]).entries()) {
      const values: Record<string, ArrayLike<number>> = {};
      for (const key of ['gamma', 'beta', 'kernel', 'bias'])
        values[key] = await taps.variables[`${name}/${key}`].data();
      expect(features[i].shape).toEqual([B, D]);
      await expectClose(
        features[i],
        inputs[name].flatMap((row) => head(row, values)),
      );
    }
    taps.dispose();
  });

  it('take the mean of tokens where they are told to', async () => {
    const taps = createAuxiliaryTaps(['block1'], offers, D, new Random([1, 0]), 'trainer.aux', () => 'mean');
    const values: Record<string, ArrayLike<number>> = {};
    for (const key of ['gamma', 'beta', 'kernel', 'bias']) values[key] = await taps.variables[`block1/${key}`].data();
    const means = rowsOf(tokens, 7 * d).map((row) =>
      Array.from({ length: d }, (_, i) => rowsOf(row, d).reduce((sum, token) => sum + token[i] / 7, 0)),
    );
    await expectClose(
      taps.apply(output())[0],
      means.flatMap((row) => head(row, values)),
    );
    taps.dispose();
  });

  it('have the gradient of finite differences, in the student and in the heads', async () => {
    const taps = shaken(['embedding']);
    const x = tf.variable(tf.tensor2d(embedding, [B, d]));
    const weights = normals(B * D, random);
    const { gradients } = gradientsOf(
      () =>
        taps
          .apply({ embedding: x as tf.Tensor as tf.Tensor2D })[0]
          .mul(tf.tensor2d(weights, [B, D]))
          .sum() as tf.Scalar,
      { x, ...taps.variables },
    );
    const values: Record<string, number[]> = { x: embedding };
    for (const [key, variable] of Object.entries(taps.variables)) values[key] = Array.from(await variable.data());
    for (const [key, value] of Object.entries(values)) {
      const expected = numericalGradient((changed) => {
        const { x: rows, ...head_ } = { ...values, [key]: changed };
        const own = Object.fromEntries(Object.entries(head_).map(([name, its]) => [name.split('/')[1], its]));
        return rowsOf(rows, d)
          .flatMap((row) => head(row, own))
          .reduce((sum, feature, i) => sum + feature * weights[i], 0);
      }, value);
      await expectClose(gradients[key], expected, { absolute: 1e-4, relative: 1e-3 });
    }
    tf.dispose([x, gradients]);
    taps.dispose();
  });

  it('move a LayersModel student without being part of it', async () => {
    const input = tf.input({ shape: [4], name: 'image' });
    const embedded = tf.layers.dense({ units: d, name: 'encoder' }).apply(input) as tf.SymbolicTensor;
    const logits = tf.layers.dense({ units: 2, name: 'classifier' }).apply(embedded) as tf.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs: [logits, embedded] });
    const student = { model, offers: { logits: [2], embedding: [d] } };
    const { trainable } = namedWeights(model);
    const taps = createAuxiliaryTaps(['embedding'], student.offers, D, new Random([1, 0]), 'trainer.aux');
    const image = tf.tensor2d(normals(B * 4, random), [B, 4]);
    const { gradients } = gradientsOf(
      () =>
        taps
          .apply(forward(student, { image: image }, { training: true }))[0]
          .mul(tf.range(0, D))
          .sum() as tf.Scalar,
      { ...trainable, ...taps.variables },
    );
    expect(Object.keys(gradients).sort()).toEqual(
      [...Object.keys(taps.variables), 'encoder/bias', 'encoder/kernel'].sort(),
    );
    expect((await gradients['encoder/kernel'].abs().max().data())[0]).toBeGreaterThan(1e-3);
    expect(model.weights.map(({ originalName }) => originalName)).toHaveLength(4);
    model.dispose();
    taps.dispose();
  });

  it('start from their seed, with unit features', async () => {
    const [taps, again, other] = [create(['stage2']), create(['stage2']), create(['stage2'], 2)];
    const [features] = taps.apply(output());
    await expectClose(features.norm('euclidean', 1), [1, 1, 1]);
    expect(await again.apply(output())[0].data()).toEqual(await features.data());
    expect(await other.apply(output())[0].data()).not.toEqual(await features.data());
    tf.dispose([taps.variables, again.variables, other.variables]);
  });

  it('leave no tensors', async () => {
    const given = output();
    await expectNoLeak(() => {
      const taps = create(['block1', 'stage2']);
      tf.dispose(taps.apply(given));
      taps.dispose();
    });
  });

  it('refuse outputs that the student does not offer', () => {
    expect(() => create(['block9'])).toThrow('trainer.aux: the student has no output "block9"');
    expect(() => createAuxiliaryTaps(['video'], { video: [2, 2, 2, 2] }, D, random, 'aux')).toThrow(
      'is no place for a tap',
    );
  });
});

describe('taps at depth', () => {
  const blocks = (count: number) => Array.from({ length: count }, (_, i) => `block${i + 1}`);

  it('are at 50 %, 75 % and 100 % of the blocks', () => {
    expect(tapsAtDepth(blocks(12))).toEqual(['block6', 'block9', 'block12']);
    expect(tapsAtDepth(blocks(3))).toEqual(['block2', 'block3']);
    expect(tapsAtDepth(blocks(1))).toEqual(['block1']);
    expect(tapsAtDepth(blocks(4), [0.25])).toEqual(['block1']);
  });
});

describe('the pool of tokens', () => {
  it.each([
    ['deit', 'class-token'],
    ['cait', 'mean'],
  ])('of a block of %s is %s', async (use, pool) => {
    const registry = new Registry().use(models);
    const reference = resolvePart(registry, 'student', { use, width: 8, depth: 2, heads: 2, patchSize: 8 });
    const { model, blocks } = await registry.createScope().create(reference, {
      classes: ['a', 'b'],
      imageShape: [16, 16, 3],
      seeds: new Seeds(1),
      baseFolder: '.',
      path: 'student',
      normalization: { mean: [0, 0, 0], deviation: [1, 1, 1] },
    });
    for (const name of blocks!) {
      expect(tokenPoolOf(model.getLayer(name).getOutputAt(0) as tf.SymbolicTensor)).toBe(pool);
    }
    model.dispose();
  });
});
