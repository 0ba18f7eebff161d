import type { Part, Weighting } from '@retort/core';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createStep } from './distillation-step.js';
import { crossEntropy } from './distillation-view.js';
import { knownShare, labelProbabilities } from './label-probabilities.js';
import { gradientAlignmentReward } from './rewards.js';
import { distillationLosses, runQuietly, temporaryFolder, tinyManifest } from './test-support/compose.js';
import { B, contextOf, numbers, T, viewOf } from './test-support/made-up-view.js';
import { madeUpBatch, networkParts } from './test-support/network-parts.js';
import { createWeightLog } from './weight-log.js';
import { caMkd } from './weighting-ca-mkd.js';
import { bestSingle, oracle, priorsOnly } from './weighting-controls.js';
import { mmkd } from './weighting-mmkd.js';

const create = (part: Part<'weighting'>, options: object = {}) =>
  (part.create as (options: unknown, context: unknown) => Weighting)(part.options.parse(options), contextOf(own));
const own = numbers(3);
const int32 = (values: number[]) => tf.tensor1d(values, 'int32');

/** The samples of `own` of which some labels are hidden. */
const hidden = own.labels.map((label, i) => (i % 3 === 1 ? -1 : label));
const known = hidden.map((label) => (label < 0 ? 0 : 1));
function partlyLabeled() {
  const view = viewOf(own);
  const batch = { size: B, label: int32(hidden) };
  return {
    ...view,
    batch,
    studentCrossEntropy: crossEntropy(view.student.logits!, batch),
    teacherCrossEntropy: tf.stack(
      view.teachers.map(({ logits }) => crossEntropy(logits!, batch)),
      1,
    ) as tf.Tensor2D,
  };
}

describeEachBackend('an unknown label', () => {
  it('asks for nothing, of one class as of several, and of a mixed image for what is known', async () => {
    await expectClose(labelProbabilities({ label: int32([1, -1, 0]) }, 2), [0, 1, 0, 0, 1, 0]);
    await expectClose(labelProbabilities({ label: int32([0, -1]) }, 1), [1, 0]);
    const mixed = {
      label: int32([-1, 1, -1]),
      otherLabel: int32([0, -1, -1]),
      labelShare: tf.tensor1d([0.25, 0.75, 0.5]),
    };
    await expectClose(labelProbabilities(mixed, 2), [0.75, 0, 0, 0.75, 0, 0]);
    await expectClose(knownShare(mixed), [0.75, 0.75, 0]);
    await expectClose(knownShare({ label: int32([2, -1]) }), [1, 0]);
  });

  it('is no reason to prefer a teacher: gradient alignment rewards none, and the rest as ever', async () => {
    const { student, teachers, batch } = viewOf(own);
    const reward = (labels: Parameters<typeof gradientAlignmentReward>[2]) =>
      gradientAlignmentReward(
        student.logits!,
        teachers.map(({ logits }) => logits!),
        labels,
        T,
      );
    const whole = await reward(batch).data();
    await expectClose(
      reward({ label: int32(hidden) }),
      Array.from(whole, (value, i) => value * known[Math.floor(i / 3)]),
    );
    // A mixed image counts with the share of it that has a label.
    const labelShare = tf.tensor1d(new Array<number>(B).fill(0.25));
    await expectClose(
      reward({ label: int32(new Array<number>(B).fill(-1)), otherLabel: batch.label, labelShare }),
      Array.from(whole, (value) => 0.75 * value),
    );
  });

  it.each([
    ['ca-mkd', caMkd, { features: 'logit' }],
    ['oracle', oracle, {}],
    ['priors-only', priorsOnly, {}],
  ])('makes teachers tie in %s, and changes nothing for the others', async (_, part, options) => {
    const weighting = create(part, options);
    const whole = await weighting.weigh(viewOf(own), undefined).fused.logit!.data();
    await expectClose(
      weighting.weigh(partlyLabeled(), undefined).fused.logit!,
      Array.from(whole, (weight, i) => (known[Math.floor(i / 3)] === 1 ? weight : 1 / 3)),
    );
  });

  it('is neither right nor wrong to mmkd', async () => {
    const weighting = create(mmkd);
    const wrong = own.student.map((row, i) => (row.indexOf(Math.max(...row)) === own.labels[i] ? 0 : 1));
    await expectClose(
      weighting.weigh(partlyLabeled(), {}).experience!.wrong,
      wrong.map((value, i) => (known[i] === 1 ? value : -1)),
    );
    weighting.dispose!();
  });

  it('does not count when the best teacher is sought, and some label must be known', async () => {
    // On the samples whose label is hidden t0 is right and t1 wrong, on the others it is the other way around.
    const sure = (right: (i: number) => boolean) =>
      tf.tensor2d(own.labels.map((y, i) => [0, 1, 2, 3].map((c) => (c === (right(i) ? y : (y + 1) % 4) ? 5 : 0))));
    const outputs = [sure((i) => known[i] === 0), sure((i) => known[i] === 1), sure(() => false)];
    const fitted = async (labels: number[]) => {
      const weighting = create(bestSingle);
      await weighting.fit!(
        (async function* () {
          yield await Promise.resolve({
            teachers: outputs.map((logits) => ({ logits })),
            batch: { targets: { label: { data: Int32Array.from(labels), shape: [B] } } } as never,
          });
        })(),
      );
      return (await weighting.weigh(viewOf(own), undefined).fused.logit!.array())[0];
    };
    expect(await fitted(hidden)).toEqual([0, 1, 0]);
    await expect(fitted(own.labels.map(() => -1))).rejects.toThrow(
      'no sample that teachers could be compared on has a label',
    );
  });

  it('leaves a sample out of the weights by class, not out of the mean weight', async () => {
    const log = createWeightLog(['logit'], false, ['p', 'q'], 2);
    const fused = { logit: tf.tensor2d([1, 0, 0.5, 0.5, 0, 1], [3, 2]) };
    tf.tidy(() => void log.record({ size: 3, label: int32([1, 1, -1]) }, { fused, generator: {} }));
    const read = await log.read();
    expect(read!.weights.logit).toEqual({ p: 0.5, q: 0.5 });
    expect(read!.weightsByClass.logit).toEqual([
      [0, 0],
      [0.75, 0.25],
    ]);
    log.dispose();
  });

  it('is not among what the accuracy of a step is of', async () => {
    const { parts, dispose } = await networkParts({
      weigh: ({ batch: { size } }) => {
        const even = tf.fill([size, 2], 0.5) as tf.Tensor2D;
        return { fused: { logit: even, feature: even } };
      },
    });
    const { host, teachers } = madeUpBatch(8, 3);
    const step = createStep(parts);
    const run = async (labels: number[]) => {
      const batch = { ...host, targets: { label: { data: Int32Array.from(labels), shape: [8] } } };
      tf.dispose(step({ batch, teachers, update: 1, learningRate: 0 }));
      const sums = await parts.log.variables.sums.data();
      // The accuracy stands before the gradient's norm, over how many it is in the second half.
      return { correct: sums.at(sums.length / 2 - 2), labeled: sums.at(-2), values: (await parts.log.read())! };
    };
    const { correct, labeled, values } = await run([1, 1, -1, 0, -1, -1, 2, -1]);
    expect(labeled).toBe(4);
    expect(correct).toBeLessThanOrEqual(4);
    expect(values['train-accuracy']).toBe(correct! / 4);
    expect(values['loss/task']).toBeGreaterThan(0);
    expect((await run(new Array<number>(8).fill(-1))).values).not.toHaveProperty('train-accuracy');
    tf.dispose(teachers.map((output) => Object.values(output)));
    await dispose();
  });
});

describe('runs in which a third of the labels is known', () => {
  const folder = temporaryFolder();
  const dataset = { use: 'scenes', classes: 3, size: 16, train: 60, test: 6, batchSize: 16, validation: 0.1 };
  const teachers = ['a', 'b'].map((id) => ({ id, use: 'run', path: `${folder}/${id}` }));
  const few = (weighting: unknown, validation = 0.1) =>
    tinyManifest(`${folder}/run`, {
      dataset: { ...dataset, labelled: 0.34, validation },
      teachers,
      losses: distillationLosses,
      agent: 'pg',
      trainer: { weighting, epochs: 1 },
    });

  beforeAll(async () => {
    for (const [m, { path }] of teachers.entries()) {
      await runQuietly(tinyManifest(path, { dataset, seed: 10 + m, trainer: { epochs: 1 } }));
    }
  });

  it.each(['agent', 'ca-mkd', 'oracle', 'best-single', { use: 'mmkd', every: 1, capacity: 16 }])(
    'are finite with %j, which is told so',
    async (weighting) => {
      const { status, events, results } = await runQuietly(few(weighting, weighting === 'best-single' ? 0 : 0.1));
      expect(status).toBe('finished');
      expect(Number.isFinite(results.last['test/top-1'])).toBe(true);
      expect(JSON.stringify(events)).toContain('some train samples have no label');
      for (const event of events) {
        // Absent where none of the samples had a label.
        if (event.type === 'step') expect(event.values['train-accuracy'] ?? 0).toBeLessThanOrEqual(1);
        if (event.type !== 'epoch') continue;
        const weights = Object.values(event.weights!.logit);
        expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 4);
      }
    },
  );

  it('are not begun on a set without classes', async () => {
    const captions = { use: 'captioned-scenes', train: 20, test: 4, validation: 0 };
    await expect(runQuietly(tinyManifest(`${folder}/none`, { dataset: captions }))).rejects.toThrow(
      'mtkd trains classifiers, and this set has no classes',
    );
  });
});
