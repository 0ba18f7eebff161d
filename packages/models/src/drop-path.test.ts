import * as tf from '@tensorflow/tfjs';
import { Random, Seeds, type Student } from '@retort/core';
import { compile, forward, namedWeights, toTensor } from '@retort/nn';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { cait } from './cait.js';
import { deit, deitSpec } from './deit.js';
import { dropPathNoise } from './drop-path-noise.js';
import { dropPath } from './layers/drop-path.js';
import { studentContext } from './test-support/student-context.js';

const spec = (dropPath: number, depth = 5) =>
  deitSpec({ width: 6, depth, heads: 2, patchSize: 4, dropPath, ...studentContext({ imageShape: [8, 8, 3] }) });
const rates = (of: ReturnType<typeof spec>) =>
  of.layers.flatMap(({ name, config }) => (config.type === 'drop-path' ? [[name, config.rate] as const] : []));

describe('stochastic depth', () => {
  it('rises linearly from nothing at the first block', () => {
    expect(rates(spec(0.2)).map(([, rate]) => rate)).toEqual([0.05, 0.05, 0.1, 0.1, 0.2 * 0.75, 0.2 * 0.75, 0.2, 0.2]);
    expect(rates(spec(0))).toEqual([]);
    expect(rates(spec(0.2, 1)).map(([, rate]) => rate)).toEqual([0.2, 0.2]);
  });

  it('draws for every layer by seed and step, and never from what was drawn before', () => {
    const names = rates(spec(0.2)).map(([name]) => name);
    const noise = dropPathNoise(names, new Seeds(1)).noise!;
    const first = noise(4, 7);
    expect(Object.keys(first)).toEqual(names);
    expect(Object.values(first).map(({ shape }) => shape)).toEqual(Array(8).fill([4]));
    noise(4, 8);
    // What a run that was taken up again at step 7 gets.
    const again = dropPathNoise(names, new Seeds(1)).noise!(4, 7);
    expect(again).toEqual(first);
    const drawn = [first, noise(4, 8), dropPathNoise(names, new Seeds(2)).noise!(4, 7)].flatMap((each) =>
      Object.values(each).map(({ data }) => data.join()),
    );
    expect(new Set(drawn).size).toBe(drawn.length);
    expect(dropPathNoise([], new Seeds(1)).noise).toBeUndefined();
  });
});

describeEachBackend('a drop-path layer', () => {
  const input = () => tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4], [3, 2, 2]);
  const layer = () => dropPath({ name: 'drop', rate: 0.25 });

  it('leaves out or scales whole samples in training', async () => {
    const noise = { drop: tf.tensor1d([0.25, 0.2499, 0.9]) };
    const y = layer().apply(input(), { training: true, noise }) as tf.Tensor;
    await expectClose(
      y,
      [1, 2, 3, 4, 0, 0, 0, 0, -1, -2, -3, -4].map((v) => v / 0.75),
    );
  });

  it('changes nothing outside training', async () => {
    const y = layer().apply(input(), { training: false }) as tf.Tensor;
    await expectClose(y, input(), { absolute: 0, relative: 0 });
  });

  it('says what is missing when it is trained without noise', () => {
    expect(() => layer().apply(input(), { training: true, noise: {} })).toThrow('"drop" drops paths in training');
  });

  it('keeps the mean', async () => {
    const size = 40_000;
    const drawn = new Random([1, 2]).fill(new Float32Array(size), 'uniform');
    const noise = { drop: tf.tensor1d(drawn) };
    const y = layer().apply(tf.ones([size, 1]), { training: true, noise }) as tf.Tensor;
    // One factor has the variance rate / (1 − rate) = 1/3: five standard errors.
    expect(Math.abs((await y.mean().data())[0] - 1)).toBeLessThan(5 * Math.sqrt(1 / 3 / size));
  });
});

describeEachBackend('a student with stochastic depth', () => {
  const make = async (part: typeof deit | typeof cait) =>
    (await part.create(
      part.options.parse({ width: 6, depth: 3, heads: 2, patchSize: 4, dropPath: 0.6 }) as never,
      studentContext({ imageShape: [8, 8, 3] }),
    )) as Student;
  const image = () =>
    tf.tensor4d(
      Float32Array.from({ length: 4 * 192 }, (_, i) => Math.sin(i) ** 2),
      [4, 8, 8, 3],
    );

  it.each([deit, cait])(
    '%# gives the same step for the same noise, compiled or not, and another for another',
    async (part) => {
      const student = await make(part);
      const { trainable, frozen } = namedWeights(student.model);
      const run = ({ image, ...noise }: Record<string, tf.Tensor>) => ({
        logits: forward(student, { image: image }, { training: true, noise }).logits! as tf.Tensor,
      });
      const compiled = compile(run, { variables: { ...trainable, ...frozen }, verifyReplay: 1 });
      const inputs = (step: number) => ({
        image: image(),
        ...Object.fromEntries(Object.entries(student.noise!(4, step)).map(([name, drawn]) => [name, toTensor(drawn)])),
      });
      const [first, second, again] = [1, 2, 1].map((step) => compiled(inputs(step)).logits.dataSync());
      expect(again).toEqual(first);
      expect(second).not.toEqual(first);
      await expectClose(first, run(inputs(1)).logits);
      const { logits } = forward(student, { image: image() }, { training: false });
      expect(await logits!.data()).not.toEqual(first);
      student.model.dispose();
    },
  );
});
