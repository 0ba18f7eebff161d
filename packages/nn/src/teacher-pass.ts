import {
  batchesPerEpoch,
  type Batch,
  type Dataset,
  type LossTerm,
  type NetworkOutput,
  outputTensors,
  type Split,
  type Teacher,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/**
 * A split of the data, each batch with what teachers say of it, disposed when the next one is asked for.
 *
 * @param augment whether train images are shown as the first epoch augments them, or as they are
 */
export async function* teacherPass(
  dataset: Dataset,
  split: Split,
  teachers: readonly Teacher[],
  { augment }: { augment: boolean },
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

/** Gives losses that learn from the data before the first step, such as `nd`, the train split with their own teacher. */
export async function fitLosses(
  terms: readonly LossTerm[],
  dataset: Dataset,
  teachers: readonly Teacher[],
): Promise<void> {
  for (const { losses, head } of terms) {
    for (const [m, { loss, teacher: view }] of losses.entries()) {
      if (head && loss.fit) await loss.fit(passOfOne(dataset, teachers[m], view));
    }
  }
}

async function* passOfOne(dataset: Dataset, teacher: Teacher, view: (output: NetworkOutput) => NetworkOutput) {
  for await (const { teachers, batch } of teacherPass(dataset, 'train', [teacher], { augment: true })) {
    yield { teacher: view(teachers[0]), batch };
  }
}
