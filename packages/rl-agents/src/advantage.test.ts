import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { estimateAdvantages, explainedVariance, generalizedAdvantage, standardize } from './advantage.js';
import { createRollout } from './rollout.js';

// Two episodes side by side: the first ends by its rules after step 1, the second is cut off there.
const reward = [
  [1, 0.5],
  [2, -1],
  [0.3, 4],
  [-0.5, 1],
];
const value = [
  [0.2, 1],
  [0.4, -0.3],
  [0.6, 0.9],
  [0.1, 0.5],
];
const nextValue = [
  [0.4, -0.3],
  [7, 0.8],
  [0.1, 0.5],
  [0.9, -0.2],
];
const terminated = [
  [0, 0],
  [1, 0],
  [0, 0],
  [0, 0],
];
const truncated = [
  [0, 0],
  [0, 1],
  [0, 0],
  [0, 0],
];
const [discount, lambda] = [0.9, 0.7];

/** The sum of the paper's eq. 16 as it stands: Σ_l (γλ)^l δ_t+l, up to the end of the episode. */
function advantageAt(t: number, b: number, lambda: number): number {
  let sum = 0;
  for (let l = 0; t + l < 4; l++) {
    const s = t + l;
    const delta = reward[s][b] + discount * (1 - terminated[s][b]) * nextValue[s][b] - value[s][b];
    sum += (discount * lambda) ** l * delta;
    if (terminated[s][b] || truncated[s][b]) break;
  }
  return sum;
}

describeEachBackend('advantages', () => {
  const trajectory = () => ({
    reward: tf.tensor2d(reward),
    value: tf.tensor2d(value),
    nextValue: tf.tensor2d(nextValue),
    terminated: tf.tensor2d(terminated),
    truncated: tf.tensor2d(truncated),
  });

  it.each([lambda, 1, 0])('are the discounted sums of errors written out, λ = %d', async (l) => {
    const expected = reward.flatMap((row, t) => row.map((_, b) => advantageAt(t, b, l)));
    await expectClose(generalizedAdvantage(trajectory(), discount, l), expected);
  });

  it('with λ = 1 and no values are discounted returns', async () => {
    const zeros = tf.zeros([4, 2]) as tf.Tensor2D;
    const returns = generalizedAdvantage({ ...trajectory(), value: zeros, nextValue: zeros }, discount, 1);
    const first = [1 + 0.9 * 2, 0.5 + 0.9 * -1];
    await expectClose(tf.slice(returns, [0, 0], [1, 2]), first);
  });

  it('are estimated from what was observed, time in the order of observation', async () => {
    const rollout = createRollout();
    for (let t = 0; t < 4; t++) {
      rollout.add({
        state: tf.tensor2d(value[t].map((v) => [v])),
        nextState: tf.tensor2d(nextValue[t].map((v) => [v])),
        reward: tf.tensor1d(reward[t]),
        terminated: tf.tensor1d(terminated[t]),
        truncated: tf.tensor1d(truncated[t]),
      });
    }
    const { advantage, target } = estimateAdvantages(rollout, (state) => state.as1D(), { discount, lambda });
    const expected = reward.flatMap((row, t) => row.map((_, b) => advantageAt(t, b, lambda)));
    await expectClose(advantage, expected);
    await expectClose(
      target,
      expected.map((a, i) => a + value.flat()[i]),
    );
    rollout.clear();
  });

  it('of one-step problems are reward − value, batches of any size', async () => {
    const rollout = createRollout();
    rollout.add({ state: tf.tensor2d([[1], [2]]), reward: tf.tensor1d([5, 6]) });
    rollout.add({ state: tf.tensor2d([[3]]), reward: tf.tensor1d([7]) });
    const { advantage, target } = estimateAdvantages(rollout, (state) => state.as1D(), { discount, lambda });
    await expectClose(advantage, [4, 4, 4]);
    await expectClose(target, [5, 6, 7]);
    await expectClose(
      standardize(tf.tensor1d([1, 2, 3, 4])),
      [-3, -1, 1, 3].map((x) => x / Math.sqrt(5)),
    );
    await expectClose(standardize(tf.tensor1d([2, 2])), [0, 0]);
    rollout.clear();
  });

  it('leave out rows whose mask is 0, whatever stands there', async () => {
    const mask = tf.tensor1d([1, 0, 1, 1, 1]);
    await expectClose(
      standardize(tf.tensor1d([1, 1e6, 2, 3, 4]), mask),
      [-3, 0, -1, 1, 3].map((x) => x / Math.sqrt(5)),
    );
    // Errors −1, 0, 0, 1 about targets 2, 2, 3, 5: variances ½ and 1.5.
    const [value, target] = [tf.tensor1d([3, NaN, 2, 3, 4]), tf.tensor1d([2, 7, 2, 3, 5])];
    await expectClose(explainedVariance(value, target, mask), [1 - 0.5 / 1.5]);
    await expectClose(explainedVariance(target, target), [1]);
    const whole = trajectory();
    const last = tf.tensor2d([
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 0],
    ]);
    // The first three steps of the second column alone.
    const shorter = generalizedAdvantage(
      Object.fromEntries(Object.entries(whole).map(([name, x]) => [name, x.slice([0, 1], [3, 1])])) as typeof whole,
      discount,
      lambda,
    );
    const column = generalizedAdvantage({ ...whole, mask: last }, discount, lambda).slice([0, 1], [4, 1]);
    await expectClose(column, [...shorter.dataSync(), 0]);
  });

  it('refuses changing numbers of environments and experience of changing form', () => {
    const rollout = createRollout();
    const step = (size: number) => ({
      state: tf.zeros([size, 1]),
      nextState: tf.zeros([size, 1]),
      reward: tf.zeros([size]),
    });
    rollout.add(step(2));
    rollout.add(step(3));
    expect(() => estimateAdvantages(rollout, undefined, { discount, lambda })).toThrow(/2 and 3/);
    expect(() => rollout.add({ state: tf.zeros([2, 1]), reward: tf.zeros([2]) })).toThrow(/of one form/);
    rollout.clear();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const input = trajectory();
      tf.dispose([input, generalizedAdvantage(input, discount, lambda)]);
    }));
});
