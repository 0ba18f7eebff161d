import { batchesPerEpoch, outputTensors } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { KdrlRun } from './kdrl-run.js';

/** Gives losses that learn from the data before the first step, such as `nd`, the train split as the first epoch augments it. */
export async function fitLosses(run: KdrlRun): Promise<void> {
  for (const { losses, head } of run.terms) {
    for (const { loss, teacher: view } of losses) if (head) await loss.fit?.(trainSplit(run, view));
  }
}

async function* trainSplit({ dataset, teacher }: KdrlRun, view: KdrlRun['terms'][number]['losses'][number]['teacher']) {
  const steps = batchesPerEpoch(dataset, 'train');
  for (let step = 0; step < steps; step++) {
    const batch = await dataset.batch({ split: 'train', epoch: 0, step });
    const output = await teacher!.infer(batch);
    try {
      yield { teacher: view(output), batch };
    } finally {
      tf.dispose(outputTensors(output));
    }
  }
}
