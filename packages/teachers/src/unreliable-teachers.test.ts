import {
  type Batch,
  definePart,
  InputError,
  type NetworkOutput,
  outputTensors,
  Registry,
  resolvePart,
  type Teacher,
  type TeacherContext,
  z,
} from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { noisyTeacher } from './noisy-teacher.js';
import { specialistTeacher } from './specialist-teacher.js';
import { batchOf, teacherContext } from './test-support/teacher-inputs.js';

const logits = [
  [3, 1, 2],
  [-1, 5, 0],
];
/** 4 × 4 positions of two channels, never negative, of another scale than the logits. */
const featureMap = Float32Array.from({ length: 2 * 32 }, (_, i) => 100 + 10 * Math.sin(i));

/** A teacher of known answers. */
const known = definePart('teacher', {
  name: 'known',
  summary: 'answers written down',
  options: z.strictObject({}),
  create: (_, { id }): Teacher => ({
    id,
    describe: () => ({
      provides: { logits: [3], featureMap: [4, 4, 2], early: [2] },
      fingerprint: 'f',
      summary: 'known',
      classifier: {
        kernel: { data: new Float32Array(6), shape: [2, 3] },
        bias: { data: new Float32Array(3), shape: [3] },
      },
    }),
    infer: async ({ size, index }) => {
      const samples = Array.from(index);
      return {
        logits: tf.tensor2d(samples.map((i) => logits[i])),
        featureMap: tf.tensor4d(
          samples.flatMap((i) => Array.from(featureMap.subarray(i * 32, (i + 1) * 32))),
          [size, 4, 4, 2],
        ),
        taps: { early: tf.tensor2d(samples.map((i) => [i, -i])) },
      };
    },
    dispose: () => undefined,
  }),
});

/** One of images and texts, more of these than of those. */
const encoders = definePart('teacher', {
  name: 'encoders',
  summary: 'embeddings written down',
  options: z.strictObject({}),
  create: (_, { id }): Teacher => ({
    id,
    describe: () => ({
      provides: { imageEmbedding: [2], textEmbedding: [2], logitScale: [] },
      fingerprint: 'e',
      summary: 'encoders',
    }),
    infer: async () => ({
      imageEmbedding: tf.tensor2d([1, 2, 3, 4], [2, 2]),
      textEmbedding: tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]),
      logitScale: tf.scalar(7),
    }),
    dispose: () => undefined,
  }),
});

async function make(use: string, options: object): Promise<Teacher> {
  const registry = new Registry().add(known).add(encoders).add(noisyTeacher).add(specialistTeacher);
  const scope = registry.createScope();
  const context: TeacherContext = teacherContext({ scope });
  return scope.create(resolvePart(registry, 'teacher', { use, ...options }), context);
}

const valuesOf = async (output: NetworkOutput) =>
  Promise.all(outputTensors(output).map(async (tensor) => Array.from(await tensor.data())));

describeEachBackend('unreliable teachers', () => {
  it('a specialist takes every image for one of the classes it knows', async () => {
    const teacher = await make('specialist', { of: 'known', knows: ['ant', 'cat'] });
    const output = await teacher.infer(batchOf(2));
    await expectClose(output.logits!, [3, 2, 2, -1, -1, 0]);
    await expectClose(output.featureMap!, Array.from(featureMap));
    expect(teacher.describe().classifier).toBeUndefined();
    expect(teacher.describe().fingerprint).not.toBe('f');
    tf.dispose(outputTensors(output));
  });

  it('noise has the mean, deviation and sign of what it replaces, and is of the sample and its view', async () => {
    const teacher = await make('noisy', { of: 'known' });
    const inferred = async (batch: Batch) => {
      const output = await teacher.infer(batch);
      const values = await valuesOf(output);
      tf.dispose(outputTensors(output));
      return values;
    };
    const batch = batchOf(2);
    const first = await inferred(batch);
    expect(await inferred(batch)).toEqual(first);
    // The second sample alone gets the noise it got beside the first.
    const alone = await inferred({ ...batchOf(1), index: Int32Array.of(1) });
    expect(alone[1]).toEqual(first[1].slice(32));
    const [, map] = first;
    expect(Math.min(...map)).toBeGreaterThanOrEqual(0);
    const mean = map.reduce((sum, value) => sum + value, 0) / map.length;
    const deviation = Math.sqrt(map.reduce((sum, value) => sum + (value - mean) ** 2, 0) / map.length);
    // 64 draws around 100 with deviation 10/√2.
    expect(Math.abs(mean - 100)).toBeLessThan(4 * (7.07 / 8));
    expect(deviation).toBeGreaterThan(5);
    expect(deviation).toBeLessThan(9.5);
    const otherView = await inferred({ ...batch, view: Int32Array.of(1, 1) });
    expect(otherView[0]).not.toEqual(first[0]);
  });

  it('noise takes the place of what is said of images, not of texts', async () => {
    const teacher = await make('noisy', { of: 'encoders' });
    const output = await teacher.infer(batchOf(2));
    expect(Object.keys(output).sort()).toEqual(['imageEmbedding', 'logitScale', 'textEmbedding']);
    await expectClose(output.textEmbedding!, [1, 2, 3, 4, 5, 6], { absolute: 0, relative: 0 });
    await expectClose(output.logitScale!, [7], { absolute: 0, relative: 0 });
    expect(Array.from(await output.imageEmbedding!.data())).not.toEqual([1, 2, 3, 4]);
    tf.dispose(outputTensors(output));
  });

  it('leaks nothing', async () => {
    const teachers = [
      await make('noisy', { of: 'known' }),
      await make('specialist', { of: 'known', knows: ['ant', 'bee'] }),
    ];
    await expectNoLeak(async () => {
      for (const teacher of teachers) tf.dispose(outputTensors(await teacher.infer(batchOf(2))));
    });
  });
});

it('names the class that the data set does not have', async () => {
  const refused = make('specialist', { of: 'known', knows: ['ant', 'bea'] });
  await expect(refused).rejects.toThrow(InputError);
  await expect(refused).rejects.toThrow('teachers[0].knows: the data set has no class "bea"');
});
