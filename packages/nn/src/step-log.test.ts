import { RunError } from '@retort/core';
import { describeEachBackend, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createStepLog, type StepLog } from './step-log.js';

/** A step that watches one number, counts two kinds of values and has a gradient of one number. */
function record(log: StepLog, update: number, loss: number, correct: [number, number], gradient = 3): boolean {
  return tf.tidy(() => {
    const accept = log.record({
      watched: tf.tensor1d([loss]),
      gradients: { kernel: tf.tensor1d([gradient, 4]) },
      update: tf.scalar(update),
      values: { loss: tf.scalar(loss), accuracy: { sum: tf.scalar(correct[0]), count: tf.scalar(correct[1]) } },
    });
    return accept.dataSync()[0] === 1;
  });
}

describeEachBackend('step log', () => {
  const create = () => createStepLog(['loss "task"'], ['loss', 'accuracy']);

  it('gives means over steps, or over what was counted, and begins anew', async () => {
    const log = create();
    expect(await log.read()).toBeUndefined();
    expect(record(log, 1, 2, [3, 4])).toBe(true);
    expect(record(log, 2, 4, [0, 2])).toBe(true);
    expect(await log.read()).toEqual({ loss: 3, accuracy: 0.5, 'gradient-norm': 5 });
    expect(await log.read()).toBeUndefined();
    log.dispose();
  });

  it('leaves out what was over nothing', async () => {
    const log = create();
    record(log, 1, 2, [0, 0]);
    expect(await log.read()).toEqual({ loss: 2, 'gradient-norm': 5 });
    log.dispose();
  });

  it('goes on from what was saved', async () => {
    const [log, resumed] = [create(), create()];
    record(log, 1, 2, [1, 4]);
    resumed.load(await log.save());
    record(resumed, 2, 3, [4, 6]);
    expect(await resumed.read()).toEqual({ loss: 2.5, accuracy: 0.5, 'gradient-norm': 5 });
    log.dispose();
    resumed.dispose();
  });

  it.each([
    [NaN, 1, 'loss "task" was not finite at step 4'],
    [1, Infinity, 'the gradient was not finite at step 4, though every loss was'],
  ])('names what was first not finite (%d, %d), and refuses steps from then on', async (loss, gradient, message) => {
    const log = create();
    expect(record(log, 4, 1, [1, 1])).toBe(true);
    expect(record(log, 5, loss, [1, 1], gradient)).toBe(false);
    expect(record(log, 6, NaN, [1, 1], NaN)).toBe(false);
    const error = await log.read().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).message).toBe(message);
    log.dispose();
  });

  it('leaves no tensors', async () => {
    const log = create();
    await expectNoLeak(async () => {
      record(log, 1, 1, [1, 1]);
      await log.read();
    });
    log.dispose();
  });
});
