import type { Batch, LossContext, NetworkOutput } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { normDirection, normDirectionDistance } from './norm-direction.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { dot, makeLoss, numbers, rows, sum } from './test-support/make.js';

const length = (a: number[]) => Math.sqrt(dot(a, a));
const unit = (a: number[]) => a.map((x) => x / length(a));
const [s, t] = [numbers('student', 12), numbers('teacher', 12, 1.5)];
const directions = rows(numbers('direction', 12), 3).map(unit);

const written = (student: number[], teacher?: number[]) =>
  rows(student, 3).map((f, i) => {
    const divisor = teacher ? Math.max(length(f), length(rows(teacher, 3)[i])) : length(f);
    return 1 - dot(f, directions[i]) / divisor;
  });

/** Two batches of three and two samples in three classes, the last of which has none. */
const passLabels = [
  [0, 1, 0],
  [1, 1],
];
const passEmbeddings = [numbers('pass-0', 9), numbers('pass-1', 6)];
async function* pass(): AsyncGenerator<{ teacher: NetworkOutput; batch: Batch }> {
  for (const [step, labels] of passLabels.entries()) {
    const embedding = tf.tensor2d(passEmbeddings[step], [labels.length, 3]);
    const label = { data: Int32Array.from(labels), shape: [labels.length] };
    yield { teacher: { embedding }, batch: { size: labels.length, targets: { label } } as Batch };
    await Promise.resolve();
    embedding.dispose();
  }
}
const classMeans = [0, 1].map((wanted) => {
  const members = passLabels.flatMap((labels, step) =>
    rows(passEmbeddings[step], 3).filter((_, i) => labels[i] === wanted),
  );
  return [0, 1, 2].map((d) => sum(members.map((row) => row[d])) / members.length);
});

const context = (from: number): Pick<LossContext, 'student' | 'teacher' | 'classes'> => ({
  student: { embedding: [from] },
  teacher: { embedding: [3] },
  classes: ['cat', 'dog', 'owl'],
});
const make = (options: object, from = 3) => makeLoss(normDirection, options, context(from));

describeEachBackend('nd', () => {
  it('matches the formula written out in float64 where student or teacher is longer, with its gradient', async () => {
    const longer = rows(s, 3).map((f, i) => length(f) > length(rows(t, 3)[i]));
    expect(new Set(longer).size).toBe(2);
    await expectClose(
      normDirectionDistance(tf.tensor2d(s, [4, 3]), tf.tensor2d(t, [4, 3]), tf.tensor2d(directions)),
      written(s, t),
    );
    for (const teacher of [t, undefined]) {
      await expectValueAndGradient<tf.Tensor2D>(
        (x) => normDirectionDistance(x, teacher && tf.tensor2d(teacher, [4, 3]), tf.tensor2d(directions)),
        (x) => sum(written(x, teacher)),
        s,
        [4, 3],
      );
    }
  });

  it('is 0 for an embedding along the class mean and as long as the teacher, or longer', async () => {
    const along = tf.tensor2d(directions);
    const teacher = along.mul<tf.Tensor2D>(2).reverse<tf.Tensor2D>(0);
    await expectClose(normDirectionDistance(along.mul(2), teacher, along), [0, 0, 0, 0]);
    await expectClose(normDirectionDistance(along.mul(7), teacher, along), [0, 0, 0, 0]);
    await expectClose(normDirectionDistance(along, teacher, along), [0.5, 0.5, 0.5, 0.5]);
    await expectClose(normDirectionDistance(along, undefined, along), [0, 0, 0, 0]);
  });

  it("learns the teacher's class means from a pass and follows them", async () => {
    const loss = make({});
    await loss.fit!(pass());
    await expectClose(loss.state!.classMeans, [...classMeans.flat(), 0, 0, 0]);
    const { perSample } = loss.apply(
      { embedding: tf.tensor2d(s, [4, 3]) },
      { embedding: tf.tensor2d(t, [4, 3]) },
      { size: 4, label: tf.tensor1d([1, 0, 2, 1], 'int32') },
      { training: true },
    );
    const expected = [1, 0, undefined, 1].map((y, i) => {
      const [f, g] = [rows(s, 3)[i], rows(t, 3)[i]];
      return y === undefined ? 1 : 1 - dot(f, unit(classMeans[y])) / Math.max(length(f), length(g));
    });
    await expectClose(perSample, expected);
    loss.dispose!();
  });

  it('is not a number before the class means are there', async () => {
    const loss = make({});
    const { perSample } = loss.apply(
      { embedding: tf.tensor2d(s, [4, 3]) },
      { embedding: tf.tensor2d(t, [4, 3]) },
      { size: 4, label: tf.tensor1d([1, 0, 0, 1], 'int32') },
      { training: true },
    );
    expect(Array.from(await perSample.data())).toEqual([NaN, NaN, NaN, NaN]);
    loss.dispose!();
  });

  it('maps unequal sizes by batch normalization and a linear map, with the gradients of finite differences', async () => {
    const loss = make({ norm: true }, 2);
    await loss.fit!(pass());
    const x = numbers('narrow', 8);
    const labels = [1, 0, 0, 1];
    const names = ['gamma', 'beta', 'kernel', 'bias'];
    expect(Object.keys(loss.variables!)).toEqual(names);
    expect(Object.keys(loss.state!)).toEqual(['classMeans', 'movingMean', 'movingVariance']);
    const variables = names.map((name) => loss.variables![name]);
    variables[0].assign(tf.tensor1d([1.25, 0.75]));
    variables[1].assign(tf.tensor1d([0.5, -0.25]));
    const parameters = await Promise.all(variables.map(async (v) => Array.from(await v.data())));
    const total = ([gamma, beta, kernel, bias]: number[][]) => {
      const columns = [0, 1].map((d) => rows(x, 2).map((row) => row[d]));
      const normalized = columns.map((column, d) => {
        const center = sum(column) / 4;
        const variance = sum(column.map((value) => (value - center) ** 2)) / 4;
        return column.map((value) => (gamma[d] * (value - center)) / Math.sqrt(variance + 1e-5) + beta[d]);
      });
      return sum(
        labels.map((y, i) => {
          const f = [0, 1, 2].map((c) => bias[c] + normalized[0][i] * kernel[c] + normalized[1][i] * kernel[3 + c]);
          return 1 - dot(f, unit(classMeans[y])) / Math.max(length(f), length(rows(t, 3)[i]));
        }),
      );
    };
    const { value, grads } = tf.variableGrads(
      () =>
        loss
          .apply(
            { embedding: tf.tensor2d(x, [4, 2]) },
            { embedding: tf.tensor2d(t, [4, 3]) },
            { size: 4, label: tf.tensor1d(labels, 'int32') },
            { training: true },
          )
          .perSample.sum() as tf.Scalar,
      variables,
    );
    await expectClose(value, [total(parameters)]);
    for (const [i, variable] of variables.entries()) {
      const expected = numericalGradient((p) => total(parameters.map((q, j) => (i === j ? p : q))), parameters[i]);
      await expectClose(grads[variable.name], expected, { absolute: 1e-4, relative: 1e-3 });
    }
    loss.dispose!();
  });

  it('gives 1 and no gradient where there is no length to divide by', async () => {
    const along = tf.tensor2d([[1, 0, 0]]);
    for (const teacher of [tf.zeros<tf.Rank.R2>([1, 3]), undefined]) {
      const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
        (x) => normDirectionDistance(x, teacher, along),
        [0, 0, 0],
        [1, 3],
      );
      expect(value).toBe(1);
      expect(gradient.every((g) => Math.abs(g) === 0)).toBe(true);
    }
    // A dead student under a live teacher is still told where to go: −e / ‖f_T‖.
    const { gradient } = await valueAndGradient<tf.Tensor2D>(
      (x) => normDirectionDistance(x, tf.tensor2d([[0, 2, 0]]), along),
      [0, 0, 0],
      [1, 3],
    );
    await expectClose(gradient, [-0.5, 0, 0]);
  });

  it('stays finite for a batch of one through the adapter', async () => {
    const loss = make({}, 2);
    await loss.fit!(pass());
    const { perSample } = loss.apply(
      { embedding: tf.tensor2d([[0.5, 2]]) },
      { embedding: tf.tensor2d([[1, 2, 3]]) },
      { size: 1, label: tf.tensor1d([0], 'int32') },
      { training: true },
    );
    expect(Number.isFinite((await perSample.data())[0])).toBe(true);
    loss.dispose!();
  });

  it('leaves no tensors', () =>
    expectNoLeak(async () => {
      const loss = make({}, 2);
      await loss.fit!(pass());
      const label = tf.tensor1d([0, 1, 0, 1], 'int32');
      const [a, b] = [tf.ones<tf.Rank.R2>([4, 2]), tf.tensor2d(t, [4, 3])];
      const { perSample } = loss.apply({ embedding: a }, { embedding: b }, { size: 4, label }, { training: true });
      tf.dispose([perSample, label, a, b]);
      loss.dispose!();
    }));
});

describe('nd', () => {
  it('refuses a pass without labels', async () => {
    async function* unlabeled(): AsyncGenerator<{ teacher: NetworkOutput; batch: Batch }> {
      yield await Promise.resolve({ teacher: {}, batch: { size: 1, targets: {} } as Batch });
    }
    const loss = make({});
    await expect(loss.fit!(unlabeled())).rejects.toThrow('losses[2]: loss "nd" needs labels, the data set gives none');
    loss.dispose!();
  });

  it('refuses a trainer that does not name the classes', () => {
    const { classes: _, ...shapes } = context(3);
    expect(() => makeLoss(normDirection, {}, shapes)).toThrow(
      'losses[2]: loss "nd" needs the data set\'s classes, this trainer names none',
    );
  });
});
