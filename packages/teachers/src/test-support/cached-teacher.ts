import { outputTensors, type Batch, type Dataset, type RunEvent, Seeds, type Teacher } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { diskCache } from '../disk-cache.js';
import { batchOf } from './teacher-inputs.js';

export interface CountedTeacher extends Teacher {
  /** Batches it was asked for. */
  calls: number;
  /** Times it was asked to encode. */
  encoded: number;
}

/** Counts what a teacher is asked for. */
export function counted(teacher: Teacher): CountedTeacher {
  const counting: CountedTeacher = {
    ...teacher,
    calls: 0,
    encoded: 0,
    ...(teacher.encode && {
      encode: (inputs) => {
        counting.encoded++;
        return teacher.encode!(inputs);
      },
    }),
    infer: (batch) => {
      counting.calls++;
      return teacher.infer(batch);
    },
  };
  return counting;
}

/**
 * Images made of their sample's number and view: 11 for training in batches of 4, in an order of each epoch's own. With
 * views the train split is augmented, unless asked for plain; `repeats` views of a sample stand side by side.
 */
export function imagesWithViews({
  views,
  augmented = true,
  fingerprint = 'images',
  seed = 1,
  train = 11,
  repeats = 1,
}: {
  views?: number;
  augmented?: boolean;
  fingerprint?: string;
  seed?: number;
  train?: number;
  repeats?: number;
}): Dataset {
  const batchSize = 4;
  const sizes = { train, validation: 3, test: 2 };
  return {
    classes: ['ant', 'bee', 'cat'],
    imageShape: [4, 5, 3],
    batchSize,
    sizes,
    normalization: { mean: [0, 0, 0], deviation: [1, 1, 1] },
    ...(views !== undefined && { views }),
    fingerprint,
    batch: async ({ split, epoch, step }, { augment = true } = {}): Promise<Batch> => {
      const order = Uint32Array.from({ length: sizes[split] }, (_, i) => i);
      if (split === 'train') new Seeds(seed).at('order', epoch).shuffle(order);
      const first = step * batchSize;
      const places = Array.from({ length: Math.min(batchSize, order.length - first) }, (_, i) => first + i);
      const isAugmented = split === 'train' && augmented && augment;
      const index = Int32Array.from(places, (place) => order[isAugmented ? Math.floor(place / repeats) : place]);
      const view = Int32Array.from(places, (place) =>
        isAugmented ? 1 + ((epoch * repeats + (place % repeats)) % (views ?? Infinity)) : 0,
      );
      const image = batchOf(index.length).inputs.image!;
      index.forEach((number, i) => {
        for (let j = 0; j < 60; j++) image.data[i * 60 + j] = 0.5 + 0.5 * Math.sin(number * 60 + j + view[i] / 7);
      });
      return {
        split,
        epoch,
        step,
        size: index.length,
        index,
        view,
        inputs: { image },
        targets: {},
      };
    },
    dispose: () => undefined,
  };
}

/** A disk cache around a teacher, and what it told. */
export async function cacheOf(
  teacher: Teacher,
  dataset: Dataset,
  options: object,
): Promise<{ cached: Teacher; told: RunEvent[] }> {
  const told: RunEvent[] = [];
  const cached = await diskCache.create(diskCache.options.parse(options) as never, {
    teacher,
    dataset,
    emit: (event) => told.push(event),
    baseFolder: '.',
    path: 'cache',
  });
  return { cached, told };
}

/** The values of every output of every train batch of some epochs: those of a sample together, by epoch, number and view. */
export async function answers(teacher: Teacher, dataset: Dataset, epochs: number[]): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  for (const epoch of epochs) {
    for (let step = 0; step < Math.ceil(dataset.sizes.train / dataset.batchSize); step++) {
      const batch = await dataset.batch({ split: 'train', epoch, step });
      const tensors = outputTensors(await teacher.infer(batch));
      const values = await Promise.all(tensors.map((tensor) => tensor.data()));
      batch.index.forEach((number, i) => {
        found[`${epoch}/${number}/${batch.view[i]}`] = values.flatMap((data) => {
          const length = data.length / batch.size;
          return Array.from(data.subarray(i * length, (i + 1) * length));
        });
      });
      tf.dispose(tensors);
    }
  }
  return found;
}
