import { type Batch, type NetworkOutput, outputTensors, type Teacher } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { MtkdRun } from './mtkd-run.js';

/** Gives every loss that learns from the train split its pass: the batches of the first epoch with its own teacher's outputs. */
export async function fitLosses(run: MtkdRun): Promise<void> {
  for (const { losses, head } of run.terms) {
    for (const [m, { loss, teacher: view }] of losses.entries()) {
      if (head && loss.fit) await loss.fit(trainPass(run, run.teachers[m], view));
    }
  }
}

async function* trainPass(
  { dataset, stepsPerEpoch }: MtkdRun,
  teacher: Teacher,
  view: (output: NetworkOutput) => NetworkOutput,
): AsyncGenerator<{ teacher: NetworkOutput; batch: Batch }> {
  for (let step = 0; step < stepsPerEpoch; step++) {
    const batch = await dataset.batch({ split: 'train', epoch: 0, step });
    const output = await teacher.infer(batch);
    try {
      yield { teacher: view(output), batch };
    } finally {
      tf.dispose(outputTensors(output));
    }
  }
}
