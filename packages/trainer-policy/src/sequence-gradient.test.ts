import { Seeds } from '@retort/core';
import { forward, namedWeights } from '@retort/nn';
import { createCategorical, reinforceObjective } from '@retort/rl-agents';
import { useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { groupAdvantages, grpoLoss, takenLogProbability } from './sequence-policy.js';
import { createWriter } from './sequence-writer.js';
import { A, end, N, pad, promptsOf, sequences, student, V } from './test-support/tiny-decoder.js';

const prompt = [3];
/** Right: one that ends, and does not begin with it. */
const rewardOf = (answer: number[]) => (answer.length > 1 && answer.at(-1) === end ? 1 : 0);

/** All answers there can be. */
function answers(): number[][] {
  const grown: number[][] = [];
  const grow = (answer: number[]) => {
    if (answer.length === A || [pad, end].includes(answer.at(-1)!)) grown.push(answer);
    else for (let v = 0; v < V; v++) grow([...answer, v]);
  };
  grow([]);
  return grown;
}

it('drawn answers give the gradient of the expectation over all answers there can be', async () => {
  await useBackend('onnxruntime');
  const network = student();
  const { trainable } = namedWeights(network.model);
  const all = answers();
  const rows = all.map((answer) => [...prompt, ...answer, ...new Array<number>(N - 1 - answer.length).fill(pad)]);
  /** Σ_a weight_a log π(a), and π(a), by picking single numbers. */
  const logOf = () => {
    const { tokenLogits } = forward(
      network,
      { tokens: tf.tensor2d(rows, [all.length, N], 'int32') },
      { training: false },
    );
    const log = tf.logSoftmax(tokenLogits!);
    return all.map((answer, a) => tf.addN(answer.map((token, k) => log.slice([a, k, token], [1, 1, 1]).as1D())));
  };
  const probability = tf.tidy(() => logOf().map((log) => Math.exp(log.dataSync()[0])));
  expect(probability.reduce((x, y) => x + y)).toBeCloseTo(1, 5);
  const mean = all.reduce((sum, answer, a) => sum + probability[a] * rewardOf(answer), 0);
  expect(Math.min(mean, 1 - mean)).toBeGreaterThan(0.02);
  const deviation = Math.sqrt(mean * (1 - mean));
  const weights = all.map((answer, a) => (-probability[a] * (rewardOf(answer) - mean)) / deviation / answer.length);
  const exact = tf.variableGrads(
    () => tf.addN(logOf().map((log, a) => log.mul(weights[a]))).sum(),
    Object.values(trainable),
  );

  const samples = 20_000;
  const writer = createWriter(network, sequences, createCategorical(V));
  const random = (name: string, k: number) => new Seeds(4).at(name, k);
  const written = writer.write(promptsOf(new Array<number[]>(samples).fill(prompt)), { random, temperature: 1 });
  const [ids, mask] = [await written.tokens.array(), await written.answerMask.array()];
  const rewards = ids.map((row, r) => rewardOf(row.filter((_, n) => mask[r][n] === 1)));
  const { advantages } = groupAdvantages(rewards, samples);
  const drawn = tf.variableGrads(() => {
    const { tokenLogits } = forward(network, { tokens: written.tokens }, { training: false });
    const log = takenLogProbability(tokenLogits!, written.tokens, 1);
    const answerMask = written.answerMask.slice([0, 1], [samples, N - 1]).cast<tf.Tensor2D>('float32');
    const given = { mask: answerMask, oldLogProbability: tf.zerosLike(log), advantage: tf.tensor1d(advantages) };
    return grpoLoss(reinforceObjective, log, given, 0).loss;
  }, Object.values(trainable));

  const flat = (grads: tf.NamedTensorMap) =>
    Object.values(trainable).flatMap(({ name }) => Array.from(grads[name].dataSync()));
  const [e, d] = [flat(exact.grads), flat(drawn.grads)];
  const length = (x: number[]) => Math.hypot(...x);
  expect(e.reduce((sum, x, i) => sum + x * d[i], 0) / length(e) / length(d)).toBeGreaterThan(0.99);
  expect(length(d) / length(e)).toBeGreaterThan(0.9);
  expect(length(d) / length(e)).toBeLessThan(1.1);
  network.model.dispose();
}, 120_000);
