import type { Objective } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { expectedPolicyGradient } from './exact-policy-gradient.js';
import { ppoObjective, reinforceObjective } from './objective.js';

const ratios = [1, 1.1, 1.5, 0.5, 1.5, 0.5];
const advantage = [2, -1, 2, 2, -2, -2];
const old = [-1, -2, -0.5, -3, -1, -0.2];
const now = ratios.map((ratio, i) => old[i] + Math.log(ratio));

function evaluate(objective: Objective, mask?: number[]) {
  const logProbability = tf.variable(tf.tensor1d(now));
  const input = () => ({
    logProbability: logProbability as tf.Tensor as tf.Tensor1D,
    oldLogProbability: tf.tensor1d(old),
    advantage: tf.tensor1d(advantage),
    ...(mask && { mask: tf.tensor1d(mask) }),
  });
  const gradient = tf.variableGrads(() => objective(input()).sum(), [logProbability]).grads[logProbability.name];
  return { loss: objective(input()), gradient };
}

describeEachBackend('objectives', () => {
  it('reinforce: −A log π, gradient −A', async () => {
    const { loss, gradient } = evaluate(reinforceObjective);
    await expectClose(
      loss,
      now.map((logProbability, i) => -advantage[i] * logProbability),
    );
    await expectClose(
      gradient,
      advantage.map((a) => -a),
    );
  });

  it('ppo: −min(ρA, clip(ρ)A), no gradient where clipping binds', async () => {
    const { loss, gradient } = evaluate(ppoObjective(0.2));
    // ρ = 1.5, A > 0 stops at 1.2; ρ = 0.5, A < 0 stops at 0.8; the others still pull back.
    await expectClose(loss, [-2, 1.1, -2.4, -1, 3, 1.6]);
    await expectClose(gradient, [-2, 1.1, 0, -1, 3, 0]);
  });

  it('leave masked samples out, whatever they hold', async () => {
    const { loss, gradient } = evaluate(reinforceObjective, [0, 1, 0, 0, 0, 0]);
    await expectClose(loss, [0, now[1], 0, 0, 0, 0]);
    await expectClose(gradient, [0, 1, 0, 0, 0, 0]);
    const clipped = evaluate(ppoObjective(0.2), [0, 1, 0, 0, 0, 0]);
    await expectClose(clipped.loss, [0, 1.1, 0, 0, 0, 0]);
    await expectClose(clipped.gradient, [0, 1.1, 0, 0, 0, 0]);
  });

  it('ppo stays finite where the old policy thought the action impossible', async () => {
    const loss = ppoObjective(0.2)({
      logProbability: tf.tensor1d([0, 0]),
      oldLogProbability: tf.tensor1d([-500, -500]),
      advantage: tf.tensor1d([1, -1]),
    });
    expect((await tf.isFinite(loss).all().data())[0]).toBe(1);
  });

  it('leave no tensors', () =>
    expectNoLeak(() => {
      const x = tf.tensor1d([-1]);
      const input = { logProbability: x, oldLogProbability: x, advantage: x, mask: x };
      tf.dispose([x, ppoObjective(0.2)(input), reinforceObjective(input)]);
    }));
});

describeEachBackend('expectedPolicyGradient', () => {
  const weights = [0.1, 0.2, 0.3, 0.4];
  const gradientOf = (advantages: number[], entropyCoefficient: number) => {
    const logits = tf.variable(tf.tensor2d([weights.map(Math.log)]));
    const { grads } = tf.variableGrads(
      () =>
        expectedPolicyGradient(
          logits as tf.Tensor as tf.Tensor2D,
          tf.tensor2d([advantages]),
          entropyCoefficient,
        ).loss.sum(),
      [logits],
    );
    return grads[logits.name];
  };

  it('ascends Σ A w by (−0.01, 0.06, 0.15, −0.20) for R = (−6, −5, −4.5, −7), rescaled, whatever its constant', async () => {
    const descent = [0.01, -0.06, -0.15, 0.2];
    await expectClose(gradientOf([-0.15, 0.25, 0.45, -0.55], 0), descent);
    await expectClose(gradientOf([6.025, 6.425, 6.625, 5.625], 0), descent, { absolute: 1e-5 });
  });

  it('is REINFORCE averaged over all choices: −Σ_m w_m A_m (e_m − w)', async () => {
    const advantages = [0.3, -1, 0.2, 2];
    const expected = weights.map(
      (_, j) => -weights.reduce((sum, w, m) => sum + w * advantages[m] * ((m === j ? 1 : 0) - weights[j]), 0),
    );
    await expectClose(gradientOf(advantages, 0), expected);
  });

  it('adds the gradient of the entropy: τ w_j (log w_j + H)', async () => {
    const entropy = -weights.reduce((sum, w) => sum + w * Math.log(w), 0);
    await expectClose(
      gradientOf([0, 0, 0, 0], 0.5),
      weights.map((w) => 0.5 * w * (Math.log(w) + entropy)),
    );
    const { entropy: reported } = expectedPolicyGradient(tf.tensor2d([weights.map(Math.log)]), tf.zeros([1, 4]), 0.5);
    await expectClose(reported, [entropy]);
  });
});
