import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { loadLayersModel, saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { boxCorners } from './box-corners.js';
import { classToken } from './class-token.js';
import { dropPath } from './drop-path.js';
import { endTokenPool } from './end-token-pool.js';
import { layerNorm } from './layer-norm.js';
import { layerScale } from './layer-scale.js';
import { learnedPositions } from './learned-positions.js';
import { logitScale } from './logit-scale.js';
import { quickGelu } from './quick-gelu.js';
import { registerLayers } from './register-layers.js';
import { tokenAttention } from './token-attention.js';
import { tokenSlice } from './token-slice.js';

const random = new Random([5, 6]);
const draw = (...shape: number[]) => {
  const data = random.fill(new Float32Array(shape.reduce((a, b) => a * b, 1)), 'normal');
  return {
    data,
    shape,
    at: (...index: number[]) => data[index.reduce((place, i, axis) => place * shape[axis] + i, 0)],
  };
};
type Drawn = ReturnType<typeof draw>;
const tensorOf = ({ data, shape }: Drawn) => tf.tensor(data, shape);

/** A network of one layer, its weights drawn. */
function network(layer: tf.layers.Layer, ...inputs: number[][]): { model: tf.LayersModel; weights: Drawn[] } {
  const symbolic = inputs.map((shape) => tf.input({ shape }));
  const output = layer.apply(symbolic.length === 1 ? symbolic[0] : symbolic) as tf.SymbolicTensor;
  const weights = layer.weights.map(({ shape }) => draw(...(shape as number[])));
  tf.tidy(() => layer.setWeights(weights.map(tensorOf)));
  return { model: tf.model({ inputs: symbolic, outputs: output }), weights };
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** Attention of one sample as its definition says, in float64: [Q][D]. */
function attended(
  [query, key, value]: Drawn[],
  sample: number,
  heads: number,
  { mixing, causal = false }: { mixing?: Drawn[]; causal?: boolean } = {},
): number[][] {
  const [, queries, width] = query.shape;
  const tokens = key.shape[1];
  const depth = width / heads;
  const mix = (scores: number[][][], kernel?: Drawn, bias?: Drawn) =>
    kernel
      ? range(heads).map((h) =>
          range(queries).map((i) =>
            range(tokens).map((j) => bias!.at(h) + sum(range(heads).map((g) => kernel.at(h, g) * scores[g][i][j]))),
          ),
        )
      : scores;
  const scores = range(heads).map((h) =>
    range(queries).map((i) =>
      range(tokens).map(
        (j) =>
          sum(range(depth).map((d) => query.at(sample, i, h * depth + d) * key.at(sample, j, h * depth + d))) /
          Math.sqrt(depth),
      ),
    ),
  );
  const shares = mix(scores, mixing?.[0], mixing?.[1]).map((rows) =>
    rows.map((row, i) => {
      const seen = causal ? i + 1 : tokens;
      return row.map((score, j) => (j < seen ? Math.exp(score) / sum(row.slice(0, seen).map(Math.exp)) : 0));
    }),
  );
  const weights = mix(shares, mixing?.[2], mixing?.[3]);
  return range(queries).map((i) =>
    range(width).map((k) =>
      sum(range(tokens).map((j) => weights[Math.floor(k / depth)][i][j] * value.at(sample, j, k))),
    ),
  );
}

describeEachBackend('transformer layers', () => {
  it.each([false, true])('attention is its definition, talking heads: %p', async (talkingHeads) => {
    const given = [draw(2, 3, 6), draw(2, 5, 6), draw(2, 5, 6)];
    const layer = tokenAttention({ heads: 3, talkingHeads });
    const { model, weights } = network(layer, [3, 6], [5, 6], [5, 6]);
    const y = model.apply(given.map(tensorOf)) as tf.Tensor;
    expect(y.shape).toEqual([2, 3, 6]);
    expect(model.outputShape).toEqual([null, 3, 6]);
    const mixing = talkingHeads ? weights : undefined;
    await expectClose(y, [0, 1].flatMap((sample) => attended(given, sample, 3, { mixing })).flat());
    model.dispose();
  });

  it('causal attention is its definition, and sees nothing of what comes later', async () => {
    const given = [draw(2, 4, 6), draw(2, 4, 6), draw(2, 4, 6)];
    const { model } = network(tokenAttention({ heads: 2, causal: true }), [4, 6], [4, 6], [4, 6]);
    const y = model.apply(given.map(tensorOf)) as tf.Tensor;
    await expectClose(y, [0, 1].flatMap((sample) => attended(given, sample, 2, { causal: true })).flat());
    const later = given.map(({ data, shape }) =>
      tensorOf({ ...draw(), data: data.map((v, i) => (i % 24 < 12 ? v : 9)), shape }),
    );
    const first = [0, 0, 0];
    await expectClose((model.apply(later) as tf.Tensor).slice(first, [2, 2, 6]), y.slice(first, [2, 2, 6]), {
      absolute: 0,
    });
    model.dispose();
  });

  it('attention of query, key and value side by side is that of the three', async () => {
    const parts = [draw(2, 4, 6), draw(2, 4, 6), draw(2, 4, 6)].map(tensorOf);
    const { model } = network(tokenAttention({ heads: 2 }), [4, 18]);
    expect(model.outputShape).toEqual([null, 4, 6]);
    const expected = tokenAttention({ heads: 2 }).apply(parts) as tf.Tensor;
    await expectClose(model.apply(tf.concat(parts, 2)) as tf.Tensor, expected, { absolute: 0, relative: 0 });
    model.dispose();
  });

  it('layer norm is its definition', async () => {
    const x = draw(2, 3, 8);
    const { model, weights } = network(layerNorm({ epsilon: 0.1 }), [3, 8]);
    const expected = range(6).flatMap((row) => {
      const values = Array.from(x.data.subarray(8 * row, 8 * row + 8));
      const mean = sum(values) / 8;
      const deviation = Math.sqrt(sum(values.map((v) => (v - mean) ** 2)) / 8 + 0.1);
      return values.map((v, k) => ((v - mean) / deviation) * weights[0].at(k) + weights[1].at(k));
    });
    await expectClose(model.apply(tensorOf(x)) as tf.Tensor, expected);
    model.dispose();
  });

  it('class token, positions, layer scale and slices are what they say', async () => {
    const x = draw(2, 3, 4);
    const each = (f: (b: number, n: number, k: number) => number) =>
      range(2).flatMap((b) => range(3).flatMap((n) => range(4).map((k) => f(b, n, k))));
    const check = async (layer: tf.layers.Layer, expected: (weight: Drawn) => number[], shape: number[]) => {
      const { model, weights } = network(layer, [3, 4]);
      const y = model.apply(tensorOf(x)) as tf.Tensor;
      expect(y.shape).toEqual([2, ...shape]);
      expect(model.outputShape).toEqual([null, ...shape]);
      await expectClose(y, expected(weights[0]));
      model.dispose();
    };
    await check(classToken({}), (w) => [...w.data, ...w.data], [1, 4]);
    await check(learnedPositions({}), (w) => each((b, n, k) => x.at(b, n, k) + w.at(n, k)), [3, 4]);
    await check(layerScale({}), (w) => each((b, n, k) => x.at(b, n, k) * w.at(k)), [3, 4]);
    await check(tokenSlice({ start: 1 }), () => [...x.data.subarray(4, 12), ...x.data.subarray(16, 24)], [2, 4]);
    await check(
      tokenSlice({ start: 1, count: 1 }),
      () => [...x.data.subarray(4, 8), ...x.data.subarray(16, 20)],
      [1, 4],
    );
  });

  it('quick-gelu and boxes are what they say', async () => {
    const x = draw(3, 4);
    const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
    const { model } = network(quickGelu({}), [4]);
    await expectClose(
      model.apply(tensorOf(x)) as tf.Tensor,
      Array.from(x.data, (v) => v * sigmoid(1.702 * v)),
    );
    const boxes = boxCorners({});
    const expected = range(3).flatMap((b) => {
      const [across, down, width, height] = range(4).map((k) => sigmoid(x.at(b, k)));
      const along = (place: number, share: number) => {
        const size = 0.001 + 0.999 * share;
        return [place * (1 - size), place * (1 - size) + size];
      };
      const [[left, right], [top, bottom]] = [along(across, width), along(down, height)];
      return [left, top, right, bottom];
    });
    await expectClose(boxes.apply(tensorOf(x)) as tf.Tensor, expected);
    // Whatever the numbers, a box is one, and inside.
    const extreme = [-1e4, -30, 0, 30, 1e4];
    const rows = extreme.flatMap((place) => extreme.map((size) => [place, place, size, size]));
    const found = (await (boxes.apply(tf.tensor2d(rows)) as tf.Tensor).array()) as number[][];
    for (const [left, top, right, bottom] of found) {
      expect([left >= 0, right <= 1, right - left > 9e-4, top, bottom]).toEqual([true, true, true, left, right]);
    }
    model.dispose();
  });

  it('the pool of a text is the token at its first end token, and so is its gradient', async () => {
    const x = draw(3, 4, 2);
    const ids = tf.tensor2d([[1, 9, 2, 9], [9, 9, 9, 9], [0, 0, 0, 9]], [3, 4], 'int32'); // prettier-ignore
    const { model } = network(endTokenPool({ endToken: 9 }), [4, 2], [4]);
    expect(model.outputShape).toEqual([null, 2]);
    const places = [1, 0, 3];
    const tokens = tf.variable(tensorOf(x));
    await expectClose(
      model.apply([tokens, ids]) as tf.Tensor,
      places.flatMap((place, b) => [x.at(b, place, 0), x.at(b, place, 1)]),
    );
    const target = draw(3, 2);
    const { grads } = tf.variableGrads(
      () => (model.apply([tokens, ids]) as tf.Tensor).mul(tensorOf(target)).sum() as tf.Scalar,
      [tokens],
    );
    await expectClose(
      grads[tokens.name],
      range(3).flatMap((b) => range(4).flatMap((n) => [0, 1].map((k) => (n === places[b] ? target.at(b, k) : 0)))),
    );
    tokens.dispose();
    model.dispose();
  });

  it('a text’s tokens are rows of a table, and their gradients go there', async () => {
    const ids = tf.tensor2d([[1, 3, 1], [0, 3, 4]], [2, 3], 'int32'); // prettier-ignore
    const layer = tf.layers.embedding({ inputDim: 5, outputDim: 2, embeddingsInitializer: 'zeros' });
    const { model, weights } = network(layer, [3]);
    const [table] = weights;
    const rows = [1, 3, 1, 0, 3, 4];
    await expectClose(
      model.apply(ids) as tf.Tensor,
      rows.flatMap((id) => [table.at(id, 0), table.at(id, 1)]),
    );
    const target = draw(2, 3, 2);
    const variable = layer.weights[0].read() as tf.Variable;
    const { grads } = tf.variableGrads(
      () => (model.apply(ids) as tf.Tensor).mul(tensorOf(target)).sum() as tf.Scalar,
      [variable],
    );
    const expected = new Float32Array(10);
    for (const [i, id] of rows.entries()) for (const k of [0, 1]) expected[2 * id + k] += target.data[2 * i + k];
    await expectClose(grads[variable.name], expected);
    model.dispose();
  });

  it('the logit scale is an exponential up to 100, from where gradients lead down and not up', async () => {
    const layer = logitScale({});
    const { model } = network(layer, [2]);
    expect(model.outputShape).toEqual([]);
    const log = layer.weights[0].read() as tf.Variable;
    const slope = async (sign: number) => {
      const f = () => (model.apply(tf.zeros([3, 2])) as tf.Tensor).mul(sign) as tf.Scalar;
      const { value, grads } = tf.variableGrads(f, [log]);
      return [...(await value.data()), ...(await grads[log.name].data())];
    };
    log.assign(tf.scalar(2));
    await expectClose(await slope(1), [Math.exp(2), Math.exp(2)]);
    await expectClose(await slope(-1), [-Math.exp(2), -Math.exp(2)]);
    log.assign(tf.scalar(5));
    await expectClose(await slope(1), [100, 100]);
    await expectClose(await slope(-1), [-100, 0]);
    model.dispose();
  });

  it('have the gradients that finite differences give', async () => {
    const layers: [tf.layers.Layer, number[][]][] = [
      [tokenAttention({ heads: 2, talkingHeads: true }), [[3, 12]]],
      [tokenAttention({ heads: 2 }), [[1, 4], [3, 4], [3, 4]]], // prettier-ignore
      [tokenAttention({ heads: 2, causal: true }), [[3, 12]]],
      [quickGelu({}), [[3, 4]]],
      [boxCorners({}), [[4]]],
      [layerNorm({ epsilon: 1e-6 }), [[3, 4]]],
      [layerScale({}), [[3, 4]]],
      [classToken({}), [[3, 4]]],
      [learnedPositions({}), [[3, 4]]],
    ];
    for (const [layer, shapes] of layers) {
      const { model } = network(layer, ...shapes);
      const inputs = shapes.map((shape) => tf.variable(tensorOf(draw(2, ...shape))));
      const target = tensorOf(draw(2, ...(model.outputShape as number[]).slice(1)));
      const f = () => (model.apply(inputs, { training: true }) as tf.Tensor).mul(target).sum() as tf.Scalar;
      const variables = [...layer.trainableWeights.map((weight) => weight.read() as tf.Variable), ...inputs];
      const { grads } = tf.variableGrads(f, variables);
      for (const variable of variables) {
        const gradient = await grads[variable.name]?.data();
        // The class token does not read the tokens it stands before.
        if (!gradient) {
          expect(layer.getClassName()).toBe('ClassToken');
          continue;
        }
        const direction = draw(...variable.shape);
        const step = tensorOf(direction).mul(1e-2);
        const at = variable.clone();
        variable.assign(at.add(step));
        const up = (await f().data())[0];
        variable.assign(at.sub(step));
        const down = (await f().data())[0];
        variable.assign(at as tf.Tensor);
        const slope = sum(Array.from(gradient, (g, i) => g * direction.data[i]));
        expect(Math.abs((up - down) / 2e-2 - slope)).toBeLessThan(0.02 * Math.max(1, Math.abs(slope)));
      }
      tf.dispose(inputs);
      model.dispose();
    }
  });

  it('are the same after saving and loading, once they are registered', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-layers-'));
    const input = tf.input({ shape: [4, 12] });
    let last: tf.SymbolicTensor = input;
    for (const layer of [
      learnedPositions({ name: 'positions' }),
      layerNorm({ name: 'norm', epsilon: 1e-3 }),
      tokenAttention({ name: 'attention', heads: 2, talkingHeads: true }),
      tf.layers.dense({ name: 'wide', units: 12, kernelInitializer: 'zeros' }),
      tokenAttention({ name: 'causal', heads: 1, causal: true }),
      quickGelu({ name: 'gelu' }),
      layerScale({ name: 'scale' }),
      dropPath({ name: 'drop', rate: 0.25 }),
      tokenSlice({ name: 'slice', start: 1 }),
    ]) {
      last = layer.apply(last) as tf.SymbolicTensor;
    }
    const first = classToken({ name: 'token' }).apply(last) as tf.SymbolicTensor;
    const rest = tokenSlice({ name: 'one', start: 0, count: 1 }).apply(last) as tf.SymbolicTensor;
    const ids = tf.input({ shape: [3], dtype: 'int32' });
    const pooled = endTokenPool({ name: 'pool', endToken: 7 }).apply([last, ids]) as tf.SymbolicTensor;
    const scale = logitScale({ name: 'temperature' }).apply(pooled) as tf.SymbolicTensor;
    const numbers = tf.layers
      .dense({ name: 'numbers', units: 4, kernelInitializer: 'zeros' })
      .apply(pooled) as tf.SymbolicTensor;
    const boxes = boxCorners({ name: 'boxes' }).apply(numbers) as tf.SymbolicTensor;
    const model = tf.model({ inputs: [input, ids], outputs: [last, first, rest, scale, boxes] });
    tf.tidy(() => model.setWeights(model.getWeights().map(({ shape }) => tensorOf(draw(...shape)))));
    await saveLayersModel(model, folder);
    registerLayers();
    const { model: loaded } = await loadLayersModel(join(folder, 'model.json'));
    rmSync(folder, { recursive: true });
    const x = [tensorOf(draw(2, 4, 12)), tf.tensor2d([[1, 7, 7], [7, 2, 3]], [2, 3], 'int32')]; // prettier-ignore
    const [own, other] = [model, loaded].map((each) => each.apply(x) as tf.Tensor[]);
    for (const [i, y] of own.entries()) await expectClose(other[i], y, { absolute: 0, relative: 0 });
    for (const layer of model.layers) expect(loaded.getLayer(layer.name).getConfig()).toEqual(layer.getConfig());
    model.dispose();
    loaded.dispose();
  });

  it('leave no tensors', () =>
    expectNoLeak(() => {
      const { model } = network(tokenAttention({ heads: 2, talkingHeads: true }), [4, 12]);
      const x = tensorOf(draw(2, 4, 12));
      tf.dispose([x, model.predict(x) as tf.Tensor]);
      model.dispose();
    }));
});
