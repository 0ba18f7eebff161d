import { Random } from '@retort/core';
import { ppoObjective } from '@retort/rl-agents';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { groupAdvantages, grpoLoss, klEstimate, takenLogProbability } from './sequence-policy.js';

const numbers = (seed: number, count: number, scale = 1) => {
  const random = new Random([seed, 0]);
  return Array.from({ length: count }, () => scale * random.normal());
};
const softmax = (z: number[]) => {
  const e = z.map(Math.exp);
  const total = e.reduce((a, b) => a + b);
  return e.map((x) => x / total);
};

describe('advantages within groups', () => {
  it('are (r − mean) / deviation among the samples of a prompt', () => {
    const { advantages, mixed } = groupAdvantages([1, 0, 0, 0, 1, 1, 0.5, 0], 4);
    expect(mixed).toBe(2);
    const written = [
      [1, 0, 0, 0],
      [1, 1, 0.5, 0],
    ].flatMap((group) => {
      const mean = group.reduce((a, b) => a + b) / 4;
      const deviation = Math.sqrt(group.map((r) => (r - mean) ** 2).reduce((a, b) => a + b) / 4);
      return group.map((r) => (r - mean) / deviation);
    });
    written.forEach((value, i) => expect(advantages[i]).toBeCloseTo(value, 6));
  });

  it.each([[[1, 1, 1]], [[0, 0, 0]], [[0.1, 0.1, 0.1]]])('are 0, not 0 / 0, where all earn the same: %j', (rewards) => {
    expect(groupAdvantages(rewards, 3)).toEqual({ advantages: new Float32Array(3), mixed: 0 });
  });
});

const [R, N, V] = [2, 4, 3];
const tokens = [
  [0, 2, 1, 0],
  [1, 1, 2, 2],
];
const masks = [
  [0, 1, 1, 0],
  [0, 0, 1, 1],
];
const logits = numbers(1, R * N * V, 1.5);
const oldLog = numbers(2, R * (N - 1), 0.3).map((x) => x - 1);
const reference = numbers(3, R * (N - 1), 0.5).map((x) => x - 1);
const advantage = [0.8, -1.2];

/** [R][N − 1] in float64. */
const taken = (z: number[], temperature: number) =>
  tokens.map((row, r) =>
    row.slice(1).map((token, n) => {
      const at = (r * N + n) * V;
      return Math.log(softmax(z.slice(at, at + V).map((x) => x / temperature))[token]);
    }),
  );

/** GRPO's loss with clip 0.2, in float64. */
function written(z: number[], kl: number): number {
  const rows = taken(z, 1).map((row, r) => {
    const perToken = row.flatMap((log, n) => {
      if (masks[r][n + 1] === 0) return [];
      const i = r * (N - 1) + n;
      const ratio = Math.exp(log - oldLog[i]);
      const clipped = Math.min(Math.max(ratio, 0.8), 1.2);
      const d = reference[i] - log;
      return [-Math.min(ratio * advantage[r], clipped * advantage[r]) + kl * (Math.exp(d) - d - 1)];
    });
    return perToken.reduce((a, b) => a + b) / perToken.length;
  });
  return rows.reduce((a, b) => a + b) / R;
}

const drawn = () => ({
  mask: tf.tensor2d(masks.map((row) => row.slice(1))),
  oldLogProbability: tf.tensor2d(oldLog, [R, N - 1]),
  referenceLogProbability: tf.tensor2d(reference, [R, N - 1]),
  advantage: tf.tensor1d(advantage),
});

describeEachBackend('what GRPO descends', () => {
  it.each([1, 0.5])('reads the log-probability of what was taken, at τ = %d', async (temperature) => {
    const value = takenLogProbability(
      tf.tensor3d(logits, [R, N, V]),
      tf.tensor2d(tokens, [R, N], 'int32'),
      temperature,
    );
    await expectClose(value, taken(logits, temperature).flat());
  });

  it('is eq. 3 written out in float64, with the gradient of finite differences', async () => {
    const kl = 0.3;
    const variable = tf.variable(tf.tensor3d(logits, [R, N, V]));
    const given = drawn();
    const ids = tf.tensor2d(tokens, [R, N], 'int32');
    const { value, grads } = tf.variableGrads(() => {
      const log = takenLogProbability(variable as tf.Tensor as tf.Tensor3D, ids, 1);
      return grpoLoss(ppoObjective(0.2), log, given, kl).loss;
    }, [variable]);
    await expectClose(value, [written(logits, kl)]);
    const step = 1e-5;
    const moved = (i: number, by: number) => logits.map((x, j) => (i === j ? x + by : x));
    const expected = logits.map((_, i) => (written(moved(i, step), kl) - written(moved(i, -step), kl)) / (2 * step));
    await expectClose(grads[variable.name], expected, { absolute: 1e-4, relative: 1e-3 });
    tf.dispose([variable, value, grads, given, ids]);
  });

  it('without a reference is the objective alone', async () => {
    const log = tf.tensor2d(taken(logits, 1));
    const { referenceLogProbability: _, ...without } = drawn();
    const { loss, kl } = grpoLoss(ppoObjective(0.2), log, without, 0.3);
    await expectClose(loss, [written(logits, 0)]);
    expect(kl).toBeUndefined();
  });

  it('k3 is never negative, and on average over what is drawn the KL divergence', async () => {
    const [p, q] = [softmax(numbers(4, 6)), softmax(numbers(5, 6))];
    const estimates = await klEstimate(tf.tensor2d([p.map(Math.log)]), tf.tensor2d([q.map(Math.log)])).data();
    expect(Math.min(...estimates)).toBeGreaterThanOrEqual(0);
    const divergence = p.reduce((sum, value, v) => sum + value * Math.log(value / q[v]), 0);
    expect(p.reduce((sum, value, v) => sum + value * estimates[v], 0)).toBeCloseTo(divergence, 5);
  });

  it('leaves no tensors, and is finite where policies are far apart', async () => {
    await expectNoLeak(() => {
      const [log, given] = [tf.tensor2d(taken(logits, 1)), drawn()];
      const result = grpoLoss(ppoObjective(0.2), log, given, 0.1);
      tf.dispose([log, given, result.loss, result.kl!]);
    });
    const far = klEstimate(tf.tensor2d([[-1e4, 0]]), tf.tensor2d([[0, -1e4]]));
    expect(Array.from(await far.data()).every(Number.isFinite)).toBe(true);
  });
});
