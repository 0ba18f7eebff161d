import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { averageOf } from './student-average.js';

const path = [
  [1, -2],
  [3, 5],
  [-4, 0.5],
  [2, 2],
  [10, -1],
];

describeEachBackend('the average of a student', () => {
  /** Goes along the path and gives the average after each step. */
  async function follow(options: { decay: number; warmup: boolean }, accepted = path.map(() => true)) {
    const student = { kernel: tf.variable(tf.tensor1d(path[0])) };
    const average = averageOf(student, options);
    const seen: number[][] = [];
    for (const [t, value] of path.slice(1).entries()) {
      tf.tidy(() => {
        student.kernel.assign(tf.tensor1d(value));
        average.update(tf.scalar(t + 1), tf.scalar(accepted[t], 'bool'));
      });
      seen.push(Array.from(await average.variables.kernel.data()));
    }
    const saved = await average.save();
    average.dispose();
    tf.dispose(student);
    return { seen, saved };
  }

  it('is d^t of the start and (1 − d) d^(t − k) of what came at step k', async () => {
    const decay = 0.9;
    const { seen } = await follow({ decay, warmup: false });
    for (const [t, average] of seen.entries()) {
      const expected = [0, 1].map((i) =>
        path
          .slice(0, t + 2)
          .reduce((sum, value, k) => sum + (k === 0 ? 1 : 1 - decay) * decay ** (t + 1 - k) * value[i], 0),
      );
      await expectClose(average, expected);
    }
  });

  it('has a decay of (1 + t) / (10 + t) at first when it warms up, and never one above its own', async () => {
    for (const decay of [0.9999, 0.25]) {
      let expected = path[0];
      const { seen } = await follow({ decay, warmup: true });
      for (const [i, average] of seen.entries()) {
        const d = Math.min(decay, (2 + i) / (11 + i));
        expected = expected.map((value, k) => d * value + (1 - d) * path[i + 1][k]);
        await expectClose(average, expected);
      }
    }
  });

  it('stays where a step is not accepted', async () => {
    const { seen } = await follow({ decay: 0.5, warmup: false }, [true, false, true, true]);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).not.toEqual(seen[1]);
  });

  it('does not move with the student alone, and leaves no tensors', () =>
    expectNoLeak(async () => {
      const student = { kernel: tf.tidy(() => tf.variable(tf.tensor1d([1, 2]))) };
      const average = averageOf(student, { decay: 0.9, warmup: false });
      tf.tidy(() => student.kernel.assign(tf.tensor1d([7, 7])));
      await expectClose(average.variables.kernel, [1, 2]);
      average.dispose();
      tf.dispose(student);
    }));
});
