import { InputError, type Part } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { sequenceCrossEntropy } from './sequence-cross-entropy.js';
import { sequenceForwardKl, sequenceJsd, sequenceReverseKl } from './sequence-divergence.js';
import { makeLoss, mean, numbers, softmax, sum } from './test-support/make.js';

const [B, N, V] = [3, 5, 4];
const tokens = [
  [3, 2, 1, 0, 0],
  [2, 3, 3, 1, 2],
  [1, 1, 2, 3, 0],
];
/** Answers of two tokens, of three, of one. */
const masks = [
  [0, 1, 1, 0, 0],
  [0, 0, 1, 1, 1],
  [0, 0, 0, 1, 0],
];

const studentLogits = numbers('student', B * N * V);
const teacherLogits = numbers('teacher', B * N * V);
const at = (values: number[], b: number, n: number) => values.slice((b * N + n) * V, (b * N + n + 1) * V);

const kl = (p: number[], q: number[]) => sum(p.map((_, v) => p[v] * (Math.log(p[v]) - Math.log(q[v]))));
const jsd = (beta: number) => (p: number[], q: number[]) => {
  const m = p.map((_, v) => beta * p[v] + (1 - beta) * q[v]);
  return beta * kl(p, m) + (1 - beta) * kl(q, m);
};

/** Mean over the answer's tokens of what is said one place before each. */
function written(perToken: (b: number, n: number) => number, b: number): number {
  const places = masks[b].flatMap((isAnswer, n) => (isAnswer === 1 ? [n] : []));
  return mean(places.map((n) => perToken(b, n - 1)));
}

const rows = [0, 1, 2];
const shapes = { student: { tokenLogits: [N, V] }, teacher: { tokenLogits: [N, V] } };
const batch = () => ({
  size: B,
  tokens: tf.tensor2d(tokens, [B, N], 'int32'),
  answerMask: tf.tensor2d(masks, [B, N], 'int32'),
});
const logits = (values: number[]) => ({ tokenLogits: tf.tensor3d(values, [B, N, V]) });

type Case = [
  name: string,
  part: Part<'loss'>,
  options: object,
  perToken: (p: number[], q: number[]) => number,
  T: number,
];

const cases: Case[] = [
  ['forward KL', sequenceForwardKl, {}, kl, 1],
  ['forward KL at T = 2', sequenceForwardKl, { temperature: 2 }, kl, 2],
  ['reverse KL', sequenceReverseKl, {}, (p, q) => kl(q, p), 1],
  ['reverse KL at T = 3', sequenceReverseKl, { temperature: 3 }, (p, q) => kl(q, p), 3],
  ['JSD, β = 0.1', sequenceJsd, { beta: 0.1 }, jsd(0.1), 1],
  ['JSD, β = 0.5', sequenceJsd, {}, jsd(0.5), 1],
  ['JSD, β = 0.9 at T = 2', sequenceJsd, { beta: 0.9, temperature: 2 }, jsd(0.9), 2],
];

const expected = ([, , , perToken, T]: Case, student: number[]) =>
  rows.map((b) =>
    written((i, n) => T * T * perToken(softmax(at(teacherLogits, i, n), T), softmax(at(student, i, n), T)), b),
  );

describeEachBackend('losses over the tokens of an answer', () => {
  it('cross-entropy is the mean over the answer of −log softmax, written out in float64', async () => {
    const loss = makeLoss(sequenceCrossEntropy, {}, shapes);
    const { perSample } = loss.apply(logits(studentLogits), undefined, batch(), { training: true });
    await expectClose(
      perSample,
      rows.map((b) => written((i, n) => -Math.log(softmax(at(studentLogits, i, n))[tokens[i][n + 1]]), b)),
    );
  });

  it.each(cases)('%s is the mean over the answer, written out in float64', async (...each) => {
    const [, part, options] = each;
    const loss = makeLoss(part, options, shapes);
    const { perSample } = loss.apply(logits(studentLogits), logits(teacherLogits), batch(), { training: true });
    await expectClose(perSample, expected(each, studentLogits));
  });

  it.each(cases)('%s has the gradient of finite differences, none for the teacher', async (...each) => {
    const [, part, options] = each;
    const loss = makeLoss(part, options, shapes);
    const [s, t] = [studentLogits, teacherLogits].map((values) => tf.variable(tf.tensor3d(values, [B, N, V])));
    const given = batch();
    const { grads } = tf.variableGrads(() => {
      const output = (variable: tf.Variable) => ({ tokenLogits: variable as tf.Tensor as tf.Tensor3D });
      const { perSample } = loss.apply(output(s), output(t), given, { training: true });
      return perSample.sum().add<tf.Scalar>(t.sum().mul(0));
    }, [s, t]);
    const step = 1e-5;
    const moved = (i: number, by: number) => studentLogits.map((value, j) => (j === i ? value + by : value));
    await expectClose(
      grads[s.name],
      studentLogits.map(
        (_, i) => (sum(expected(each, moved(i, step))) - sum(expected(each, moved(i, -step)))) / (2 * step),
      ),
      { absolute: 1e-4, relative: 1e-3 },
    );
    await expectClose(grads[t.name], new Array<number>(B * N * V).fill(0));
    tf.dispose([s, t, grads, given]);
  });

  it('JSD tends to β KL(p ‖ q) as β → 0 and to (1 − β) KL(q ‖ p) as β → 1', async () => {
    const valuesAt = async (beta: number, scale: number) => {
      const loss = makeLoss(sequenceJsd, { beta }, shapes);
      const { perSample } = loss.apply(logits(studentLogits), logits(teacherLogits), batch(), { training: true });
      return Array.from(await perSample.data(), (value) => value / scale);
    };
    const [forward, reverse] = [expected(cases[0], studentLogits), expected(cases[2], studentLogits)];
    await expectClose(await valuesAt(0.002, 0.002), forward, { relative: 0.01 });
    await expectClose(await valuesAt(0.998, 0.002), reverse, { relative: 0.01 });
    // Bounded by the entropy of β, whatever is compared: here certain of different tokens.
    const loss = makeLoss(sequenceJsd, { beta: 0.3 }, shapes);
    const certain = (token: number) =>
      logits(Array.from({ length: B * N * V }, (_, i) => (i % V === token ? 1e4 : -1e4)));
    const { perSample } = loss.apply(certain(0), certain(1), batch(), { training: true });
    await expectClose(perSample, new Array<number>(B).fill(-0.3 * Math.log(0.3) - 0.7 * Math.log(0.7)));
  });

  it.each(cases)('%s does not look at what is said about prompts and padding', async (...each) => {
    const [, part, options] = each;
    const loss = makeLoss(part, options, shapes);
    const isSaidOfAnswer = (i: number) => {
      const [b, n] = [Math.floor(i / (N * V)), Math.floor(i / V) % N];
      return n + 1 < N && masks[b][n + 1] === 1;
    };
    const other = studentLogits.map((value, i) => (isSaidOfAnswer(i) ? value : -3 * value + 1));
    const { perSample } = loss.apply(logits(other), logits(teacherLogits), batch(), { training: true });
    await expectClose(perSample, expected(each, studentLogits));
  });

  it('is 0 of a row without an answer, and leaves no tensors', async () => {
    const loss = makeLoss(sequenceCrossEntropy, {}, shapes);
    const without = { ...batch(), answerMask: tf.zeros<tf.Rank.R2>([B, N], 'int32') };
    const { perSample } = loss.apply(logits(studentLogits), undefined, without, { training: true });
    await expectClose(perSample, [0, 0, 0]);
    for (const [, part, options] of cases) {
      await expectNoLeak(() => {
        const [s, t, given] = [logits(studentLogits), logits(teacherLogits), batch()];
        const value = makeLoss(part, options, shapes).apply(s, t, given, { training: true });
        tf.dispose([s, t, given, value.perSample]);
      });
    }
  });
});

describe('losses over tokens', () => {
  it('refuse a teacher of another vocabulary, and a data set without sequences', () => {
    const other = { student: { tokenLogits: [N, V] }, teacher: { tokenLogits: [N, 9] } };
    expect(() => makeLoss(sequenceForwardKl, {}, other)).toThrow(
      'losses[2]: teacher "r56" gives "tokenLogits" as [B, 5, 9], the student as [B, 5, 4]; loss "sequence-forward-kl" compares the same tokens',
    );
    const loss = makeLoss(sequenceCrossEntropy, {}, shapes);
    expect(() => loss.apply(logits(studentLogits), undefined, { size: B }, { training: true })).toThrow(InputError);
  });
});
