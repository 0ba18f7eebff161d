import { isHostTensor, Seeds, type Weighting, type WeightingContext } from '@retort/core';
import { describeEachBackend, expectClose, held } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createStepTools } from './step-tools.js';
import { B, C, contextOf, numbers, permuted, viewOf, weigh } from './test-support/made-up-view.js';
import { bitsOf, madeUpBatch, networkParts } from './test-support/network-parts.js';
import { createWeightNets } from './weight-nets.js';
import { mmkd } from './weighting-mmkd.js';

const N = 6;
const heads = ['logit', 'feature'] as const;
const context: WeightingContext = {
  teachers: ['p', 'q'].map((id) => ({ id, provides: { logits: [3], embedding: [6], featureMap: [2, 2, 6] } })),
  student: { logits: [3], embedding: [16], featureMap: [1, 1, 16] },
  classes: ['a', 'b', 'c'],
  batchSize: N,
  heads: [...heads],
  temperature: 2,
  hasSimilarity: true,
  adaptedSizes: [6, 6],
  scope: undefined as never,
  seeds: new Seeds(4),
  baseFolder: '.',
  path: 'trainer.weighting',
};
const create = (options: object = {}, changed: Partial<WeightingContext> = {}) =>
  (mmkd.create as (options: unknown, context: WeightingContext) => Weighting)(mmkd.options.parse(options), {
    ...context,
    seeds: new Seeds(4),
    ...changed,
  });

const idle: Weighting = { weigh: () => ({ fused: {} }) };

describeEachBackend('mmkd', () => {
  it('gives weights that sum to one, also to a batch of fewer samples, and says who was wrong', async () => {
    const own = numbers(2);
    for (const batchSize of [B, B + 3]) {
      const weighting = create({}, { ...contextOf(own), batchSize });
      const view = viewOf(own);
      const { fused, experience } = weighting.weigh(view, {});
      for (const head of ['logit', 'feature'] as const) {
        await expectClose(fused[head]!.sum(1), new Array<number>(B).fill(1));
      }
      const wrong = own.student.map((row, i) => (row.indexOf(Math.max(...row)) === own.labels[i] ? 0 : 1));
      await expectClose(experience!.wrong, wrong);
      expect(new Set(wrong).size).toBe(2);
      expect(weighting.weigh(view, undefined).experience).toBeUndefined();
      weighting.dispose!();
    }
  });

  it('follows a permutation of the teachers when its networks are permuted with them', async () => {
    const own = numbers(2);
    const shape = { heads: [...heads], count: 2, classes: C, batchSize: B, cosine: false };
    const nets = createWeightNets(shape, new Seeds(1).stream('init'));
    const plain = nets.weights(nets.look(viewOf(own)));
    for (const [head, width] of [
      ['logit', C],
      ['feature', B],
    ] as const) {
      const kernel = nets.variables[`${head}/hidden/kernel`];
      kernel.assign(
        tf.concat(
          [1, 0, 2].map((block) => kernel.slice([block * width, 0], [width, -1])),
          0,
        ),
      );
      for (const name of ['kernel', 'bias']) {
        const output = nets.variables[`${head}/output/${name}`];
        output.assign(tf.reverse(output, output.rank - 1));
      }
    }
    const swapped = nets.weights(nets.look(viewOf(permuted(own, [1, 0]))));
    for (const head of heads) await expectClose(swapped[head]!, tf.reverse(plain[head]!, 1), { absolute: 1e-4 });
  });

  it('sees nothing of how large feature maps are when similarities are normalized', async () => {
    const own = numbers(2);
    const louder = { ...own, map: own.map.map((row) => row.map((v) => 50 * v)) };
    const ofBoth = (options: object) =>
      Promise.all([own, louder].map((each) => weigh(create(options, contextOf(own)), each, 'feature')));
    const [quiet, loud] = await ofBoth({ normalizeSimilarity: true });
    await expectClose(loud.flat(), quiet.flat());
    const [published, changed] = await ofBoth({});
    expect(changed).not.toEqual(published);
  });

  it('learns between steps on kept samples, leaves the student as it was, and is saved and restored', async () => {
    const { parts, dispose } = await networkParts(idle);
    const tools = createStepTools(parts);
    const options = { every: 2, capacity: 12, learningRate: 0.01 };
    const weighting = create(options);
    const before = await bitsOf(tools.variables);
    const [netsBefore, batches] = [
      await bitsOf(weighting.variables!),
      [1, 2, 3, 4].map((seed) => madeUpBatch(N, seed)),
    ];
    const goOn = async (own: Weighting, update: number) => {
      const { host, teachers, batch } = batches[update % 4];
      await own.beforeStep!(tools, { batch: host, teachers, update, learningRate: 0.05 });
      const wrong = tf.tidy(() => batch.label.greater(0).cast('float32'));
      own.afterStep!({ wrong }, { lastInEpoch: false });
      wrong.dispose();
    };
    await goOn(weighting, 1);
    expect(await bitsOf(weighting.variables!)).toEqual(netsBefore); // nothing is kept yet
    for (let update = 2; update <= 5; update++) await goOn(weighting, update);
    const learned = await bitsOf(weighting.variables!);
    expect(learned).not.toEqual(netsBefore);
    expect(Object.values(learned).flat().every(Number.isFinite)).toBe(true);
    expect(await bitsOf(tools.variables)).toEqual(before);

    const saved = await weighting.save!();
    const other = create(options, { seeds: new Seeds(99) });
    await other.load!(saved);
    expect(await bitsOf(other.variables!)).toEqual(learned);
    const { buffer } = saved as { buffer: { rows: Record<string, unknown>; size: number } };
    expect(buffer.size).toBe(12);
    expect(Object.keys(buffer.rows)).toEqual(
      expect.arrayContaining(['batch/image', 'batch/label', 'teacher/0/logits', 'teacher/1/featureMap']),
    );
    for (const row of Object.values(buffer.rows)) expect(isHostTensor(row as never)).toBe(true);

    const counted = held();
    for (let update = 6; update <= 9; update++) await goOn(weighting, update);
    await weighting.save!();
    expect(held()).toEqual(counted);
    weighting.dispose!();
    other.dispose!();
    await dispose();
  });
});

describe('mmkd', () => {
  it('gives a single teacher all the weight and learns nothing', async () => {
    const weighting = create({}, { teachers: [context.teachers[0]] });
    await expectClose(weighting.weigh({ batch: { size: 3 } } as never, {}).fused.logit!, [1, 1, 1]);
    expect(weighting.beforeStep).toBeUndefined();
  });

  it('refuses a buffer of less than a batch, and feature losses without feature maps', () => {
    expect(() => create({ capacity: 5 })).toThrow('trainer.weighting.capacity: 5 samples are fewer than a batch of 6');
    expect(() => create({}, { student: { logits: [3] } })).toThrow(/by feature maps, and the student has none/);
    expect(() => create({}, { student: { logits: [3] }, heads: ['logit'] })).not.toThrow();
  });
});
