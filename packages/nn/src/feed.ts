import { type Batch, type Dataset, type NetworkOutput, outputTensors, type Teacher } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** A train batch, what the teachers say of it, and reserved samples where a run asks for them. */
export interface Fed {
  batch: Batch;
  teachers: NetworkOutput[];
  heldOut?: Batch;
}

/** Batches with their teachers' outputs, one step ahead: loaders and teachers' workers are busy while the student trains. */
export interface Feed {
  /** What a step is given. The caller disposes the teachers' outputs. */
  take(step: number): Promise<Fed>;
  /** Waits for what is under way and drops it. */
  drain(): Promise<void>;
}

/** @param heldOut whether each step is given a batch of the validation split too */
export function createFeed(
  {
    dataset,
    teachers,
    stepsPerEpoch,
    heldOut = false,
  }: { dataset: Dataset; teachers: readonly Teacher[]; stepsPerEpoch: number; heldOut?: boolean },
  totalSteps: number,
): Feed {
  let ahead: { step: number; fed: Promise<Fed> } | undefined;
  // Whole batches of the validation split in turn, so that every step has as many reserved samples.
  const whole = Math.floor(dataset.sizes.validation / dataset.batchSize);
  const heldOutAt = (step: number) =>
    dataset.batch({ split: 'validation', epoch: 0, step: step % Math.max(1, whole) }, { augment: false });
  const load = async (step: number): Promise<Fed> => {
    const batch = await dataset.batch({
      split: 'train',
      epoch: Math.floor(step / stepsPerEpoch),
      step: step % stepsPerEpoch,
    });
    return {
      batch,
      teachers: await Promise.all(teachers.map((teacher) => teacher.infer(batch))),
      ...(heldOut && { heldOut: await heldOutAt(step) }),
    };
  };
  const start = (step: number) => {
    const fed = load(step);
    fed.catch(() => undefined); // reported when it is taken
    return { step, fed };
  };
  return {
    async take(step) {
      const fed = await (ahead?.step === step ? ahead : start(step)).fed;
      ahead = step + 1 < totalSteps ? start(step + 1) : undefined;
      return fed;
    },
    async drain() {
      const fed = await ahead?.fed.catch(() => undefined);
      ahead = undefined;
      if (fed) tf.dispose(fed.teachers.flatMap(outputTensors));
    },
  };
}
