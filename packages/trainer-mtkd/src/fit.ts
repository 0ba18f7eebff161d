import { batchesPerEpoch, type Batch, type NetworkOutput, outputTensors, type Split, type Teacher } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { MtkdRun } from './mtkd-run.js';

/**
 * What learns from a pass over the data before the first step: losses from the train split, as the first epoch augments it, each
 * with its own teacher; the weighting from the validation split, or the plain train split where there is none.
 */
export async function fit(run: MtkdRun): Promise<void> {
  for (const { losses, head } of run.terms) {
    for (const [m, { loss, teacher: view }] of losses.entries()) {
      if (head && loss.fit) await loss.fit(passOfOne(run, run.teachers[m], view));
    }
  }
  await run.weighting.fit?.(pass(run, run.dataset.sizes.validation > 0 ? 'validation' : 'train', run.teachers, false));
}

async function* passOfOne(run: MtkdRun, teacher: Teacher, view: (output: NetworkOutput) => NetworkOutput) {
  for await (const { teachers, batch } of pass(run, 'train', [teacher], true)) {
    yield { teacher: view(teachers[0]), batch };
  }
}

async function* pass(
  { dataset }: MtkdRun,
  split: Split,
  teachers: readonly Teacher[],
  augment: boolean,
): AsyncGenerator<{ teachers: NetworkOutput[]; batch: Batch }> {
  const steps = batchesPerEpoch(dataset, split);
  for (let step = 0; step < steps; step++) {
    const batch = await dataset.batch({ split, epoch: 0, step }, { augment });
    const outputs = await Promise.all(teachers.map((teacher) => teacher.infer(batch)));
    try {
      yield { teachers: outputs, batch };
    } finally {
      tf.dispose(outputs.flatMap(outputTensors));
    }
  }
}
