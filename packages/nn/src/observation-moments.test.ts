import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { namedWeights } from './named-weights.js';
import { forward } from './network-forward.js';
import { setObservationMoments } from './observation-moments.js';

function network(normalize: tf.layers.Layer) {
  const state = tf.input({ shape: [3], name: 'state' });
  const head = tf.layers.dense({ name: 'head', units: 3, kernelInitializer: 'identity', useBias: false });
  const model = tf.model({ inputs: state, outputs: head.apply(normalize.apply(state)) as tf.SymbolicTensor });
  return { model, offers: { logits: [3] } };
}

const normalizing = () => network(tf.layers.batchNormalization({ name: 'normalize', epsilon: 1e-8, trainable: false }));

describeEachBackend('moments of observations', () => {
  const state = () =>
    tf.tensor2d([
      [1, 20, -3],
      [4, -5, 6],
    ]);

  it('change nothing at first; once set, observations are normalized by them', async () => {
    const student = normalizing();
    await expectClose(forward(student, { state: state() }, { training: false }).logits!, [1, 20, -3, 4, -5, 6], {
      absolute: 0,
      relative: 0,
    });
    const [mean, variance] = [Float32Array.of(0.5, -10, 2), Float32Array.of(4, 900, 0.01)];
    expect(setObservationMoments(student, { mean, variance })).toBe(true);
    const expected = [1, 20, -3, 4, -5, 6].map((x, i) => (x - mean[i % 3]) / Math.sqrt(variance[i % 3]));
    await expectClose(forward(student, { state: state() }, { training: false }).logits!, expected);
    const { trainable, frozen } = namedWeights(student.model);
    expect(Object.keys(trainable)).toEqual(['head/kernel']);
    expect(Object.keys(frozen)).toEqual(
      ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((name) => `normalize/${name}`),
    );
    await expectClose(frozen['normalize/moving_variance'], variance, { absolute: 0, relative: 0 });
    // d Σ logits / d kernel[i][j] is the sum of normalized observations i.
    const sums = [0, 1, 2].map((i) => expected[i] + expected[3 + i]);
    const loss = () => forward(student, { state: state() }, { training: false }).logits!.sum() as tf.Scalar;
    const { grads } = tf.variableGrads(loss, Object.values(trainable));
    await expectClose(
      grads[trainable['head/kernel'].name],
      sums.flatMap((sum) => [sum, sum, sum]),
    );
    student.model.dispose();
  });

  it('leave nothing behind', async () => {
    const student = normalizing();
    await expectNoLeak(() => {
      setObservationMoments(student, { mean: new Float32Array(3), variance: Float32Array.of(1, 2, 3) });
    });
    student.model.dispose();
  });

  it('are nothing to a network without the layer, nor to one whose layer of that name is another', async () => {
    for (const layer of [
      tf.layers.activation({ name: 'linear', activation: 'linear' }),
      tf.layers.dense({ name: 'normalize', units: 3, kernelInitializer: 'identity' }),
    ]) {
      const student = network(layer);
      const moments = { mean: Float32Array.of(9, 9, 9), variance: Float32Array.of(9, 9, 9) };
      expect(setObservationMoments(student, moments)).toBe(false);
      await expectClose(forward(student, { state: state() }, { training: false }).logits!, [1, 20, -3, 4, -5, 6]);
      student.model.dispose();
    }
  });

  it('are refused when they are of another length', () => {
    const student = normalizing();
    expect(() => setObservationMoments(student, { mean: new Float32Array(4), variance: new Float32Array(4) })).toThrow(
      '4 moments of observations for the network\'s layer "normalize", which has 3',
    );
    student.model.dispose();
  });
});
