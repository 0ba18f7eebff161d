import { type DatasetSequences, InputError, Random, type Student } from '@retort/core';
import { forward, namedWeights } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { decoder } from './decoder.js';
import { decoderSpec } from './decoder-spec.js';
import { countNetwork } from './network-spec.js';
import { studentContext } from './test-support/student-context.js';

const sequences = { vocabulary: Array.from('_.abcde'), length: 5 } as unknown as DatasetSequences;
const context = studentContext({ classes: [], imageShape: [1, 1, 5], sequences });
const [V, N, D, L, H] = [7, 5, 8, 2, 2];

const make = (options: object = {}, of = context) =>
  decoder.create(decoder.options.parse({ width: D, depth: L, heads: H, ...options }) as never, of) as Student;

const rows = [
  [2, 3, 4, 1, 0],
  [6, 5, 2, 2, 1],
];

it.each([
  [7, 5, 8, 2],
  [16, 10, 64, 3],
])('has V D + N D + L (12 D² + 13 D) + 2 D + D V + V parameters: %d, %d, %d, %d', (v, n, d, l) => {
  const spec = decoderSpec({ vocabularySize: v, length: n, width: d, depth: l, heads: 2 });
  expect(countNetwork(spec).parameters).toBe(v * d + n * d + l * (12 * d * d + 13 * d) + 2 * d + d * v + v);
});

it.each([
  [{ heads: 3 }, context, '3 heads do not divide a width of 8'],
  [{}, studentContext(), 'student decoder goes on with sequences, and is given none'],
])('refuses %j', (options, of, message) => {
  const error = (() => {
    try {
      return make(options, of);
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(InputError);
  expect(error).toMatchObject({ message, where: 'student' });
});

describeEachBackend('decoder', () => {
  it('gives what it offers, from tokens alone', () => {
    const student = make();
    expect(student.offers).toEqual({ tokenLogits: [N, V] });
    expect(student.model.inputNames).toEqual(['tokens']);
    expect(student.imports).toBe('@retort/models/layers');
    const weights = Object.values(namedWeights(student.model).trainable);
    expect(weights.reduce((sum, { size }) => sum + size, 0)).toBe(student.parameters);
    student.model.dispose();
  });

  it('matches the transformer written out in float64', async () => {
    const student = make();
    randomize(student);
    const output = forward(student, { tokens: tf.tensor2d(rows, [2, N], 'int32') }, { training: false });
    const expected = rows.map((ids) => written(ids, weightsOf(student)));
    await expectClose(output.tokenLogits!, expected.flat(2), { absolute: 2e-4, relative: 1e-3 });
    student.model.dispose();
  });

  it('says nothing else after a token when a later one changes', async () => {
    const student = make();
    randomize(student);
    const logitsOf = (ids: number[]) =>
      tf.tidy(
        () =>
          forward(
            student,
            { tokens: tf.tensor2d([ids], [1, N], 'int32') },
            { training: false },
          ).tokenLogits!.arraySync()[0],
      );
    const before = logitsOf(rows[0]);
    for (let changed = 0; changed < N; changed++) {
      const after = logitsOf(rows[0].map((id, place) => (place === changed ? (id + 3) % V : id)));
      for (let place = 0; place < N; place++) {
        if (place < changed) expect(after[place]).toEqual(before[place]);
        else expect(after[place]).not.toEqual(before[place]);
      }
    }
    student.model.dispose();
  });

  it('leaves no tensors', async () => {
    await expectNoLeak(() => {
      const student = make();
      tf.tidy(() => void forward(student, { tokens: tf.tensor2d(rows, [2, N], 'int32') }, { training: false }));
      student.model.dispose();
    });
  });
});

/** Numbers that tell every weight from every other, biases and norms too. */
function randomize({ model }: Student): void {
  const random = new Random([5, 0]);
  const { trainable } = namedWeights(model);
  tf.tidy(() => {
    for (const key of Object.keys(trainable).sort()) {
      const { shape, size } = trainable[key];
      trainable[key].assign(
        tf.tensor(
          random.fill(new Float32Array(size), 'normal').map((x) => 0.6 * x),
          shape,
        ),
      );
    }
  });
}

type Values = Record<string, number[] | number[][]>;

function weightsOf({ model }: Student): Values {
  const { trainable } = namedWeights(model);
  return Object.fromEntries(
    Object.entries(trainable).map(([key, variable]) => [key, variable.arraySync() as number[]]),
  );
}

/** Radford et al. 2019: pre-norm blocks, with loops. */
function written(ids: number[], weights: Values): number[][] {
  const matrix = (key: string) => weights[key] as number[][];
  const vector = (key: string) => weights[key] as number[];
  const dense = (x: number[][], name: string) =>
    x.map((row) =>
      vector(`${name}/bias`).map((b, j) =>
        row.reduce((sum, value, i) => sum + value * matrix(`${name}/kernel`)[i][j], b),
      ),
    );
  const norm = (x: number[][], name: string) =>
    x.map((row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
      return row.map(
        (value, i) =>
          ((value - mean) / Math.sqrt(variance + 1e-5)) * vector(`${name}/gamma`)[i] + vector(`${name}/beta`)[i],
      );
    });
  const plus = (x: number[][], y: number[][]) => x.map((row, n) => row.map((value, i) => value + y[n][i]));
  let x = ids.map((id, n) =>
    matrix('token_embedding/embeddings')[id].map((value, i) => value + matrix('positions/positions')[n][i]),
  );
  for (let block = 1; block <= L; block++) {
    const qkv = dense(norm(x, `block${block}_norm1`), `block${block}_qkv`);
    const d = D / H;
    const mixed = x.map(() => new Array<number>(D).fill(0));
    for (let head = 0; head < H; head++) {
      const part = (n: number, which: number) => qkv[n].slice(which * D + head * d, which * D + (head + 1) * d);
      x.forEach((_, n) => {
        const scores = Array.from({ length: n + 1 }, (_, m) => {
          const key = part(m, 1);
          return Math.exp(part(n, 0).reduce((sum, q, i) => sum + q * key[i], 0) / Math.sqrt(d));
        });
        const total = scores.reduce((a, b) => a + b);
        scores.forEach((score, m) => part(m, 2).forEach((v, i) => (mixed[n][head * d + i] += (score / total) * v)));
      });
    }
    x = plus(x, dense(mixed, `block${block}_projection`));
    const hidden = dense(norm(x, `block${block}_norm2`), `block${block}_hidden`).map((row) => row.map(gelu));
    x = plus(x, dense(hidden, `block${block}_output`));
  }
  return dense(norm(x, 'norm'), 'token_logits');
}

/** x Φ(x), Φ by Simpson's rule over the density. */
function gelu(x: number): number {
  const steps = 2000;
  const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(x);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * density((x * i) / steps);
  return x * (0.5 + (sum * x) / steps / 3);
}
