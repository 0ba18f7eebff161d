import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import type { NetworkOutput, OutputShapes, Part } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { bestActionNll, policyNll } from './policy-nll.js';
import { policyKl } from './policy-kl.js';
import { policyMean } from './policy-mean.js';
import { makeLoss, mean, softmax, sum } from './test-support/make.js';
import { actionValue } from './value-action.js';
import { advantages } from './value-advantages.js';
import { value } from './value.js';

const student = [
  [1.5, -0.25, 0.5],
  [-2, 3, 0.125],
  [0.25, 0.5, 1],
];
const teacher = [
  [4, 1, -1],
  [0.5, 1.75, 2],
  [2, 1.9375, -3],
];
const values = [[0.5], [-1.25], [2]];
const teacherValues = [[10], [4], [-2]];
/** Of an action that the teacher's task lacks. */
const lacking = -1e9;

type Rows = Partial<Record<keyof NetworkOutput, number[][]>>;

/** Values per sample, and the gradient of their sum by the student's one output. */
function applied(part: Part<'loss'>, options: object, ofStudent: Rows, ofTeacher: Rows) {
  const shapes = (rows: Rows): OutputShapes =>
    Object.fromEntries(Object.entries(rows).map(([name, list]) => [name, [list[0].length]]));
  const loss = makeLoss(part, options, { student: shapes(ofStudent), teacher: shapes(ofTeacher) });
  const [[name, rows]] = Object.entries(ofStudent);
  const variable = tf.variable(tf.tensor2d(rows));
  const given = Object.fromEntries(Object.entries(ofTeacher).map(([key, list]) => [key, tf.tensor2d(list)]));
  const perSample = () =>
    loss.apply({ [name]: variable }, given as NetworkOutput, { size: rows.length }, { training: true }).perSample;
  const result = perSample();
  const { grads } = tf.variableGrads(() => perSample().sum() as tf.Scalar, [variable]);
  return { perSample: result, gradient: grads[variable.name] };
}

/** (v − mean) / deviation, the deviation over all. */
function relative(v: number[]): number[] {
  const center = mean(v);
  const deviation = Math.sqrt(mean(v.map((x) => (x - center) ** 2)));
  return v.map((x) => (x - center) / deviation);
}

/** Central differences of Σ f in float64. */
function differences(f: (rows: number[][]) => number[], rows: number[][], h = 1e-5): number[] {
  return rows.flatMap((row, i) =>
    row.map((_, j) => {
      const moved = (by: number) =>
        sum(f(rows.map((each, k) => (k === i ? each.map((x, l) => (l === j ? x + by : x)) : each))));
      return (moved(h) - moved(-h)) / (2 * h);
    }),
  );
}

describeEachBackend('losses of networks that act', () => {
  it('policy-nll is −log of the student’s probability of the teacher’s best action', async () => {
    const best = [0, 2, 0];
    const written = (rows: number[][]) => rows.map((row, i) => -Math.log(softmax(row)[best[i]]));
    const { perSample, gradient } = applied(policyNll, {}, { logits: student }, { logits: teacher });
    await expectClose(perSample, written(student));
    await expectClose(
      gradient,
      student.map((row, i) => softmax(row).map((p, c) => p - (c === best[i] ? 1 : 0))).flat(),
    );
  });

  it.each([
    [1, 1],
    [0.25, 1],
    [0.01, 1],
    [2, 3],
  ])('policy-kl is the sum written out, teacher at %d, student at %d', async (temperature, studentTemperature) => {
    const written = (rows: number[][]) =>
      rows.map((row, i) => {
        const [p, q] = [softmax(teacher[i], temperature), softmax(row, studentTemperature)];
        return sum(p.map((t, c) => (t === 0 ? 0 : t * (Math.log(t) - Math.log(q[c])))));
      });
    const options = { temperature, studentTemperature };
    const { perSample, gradient } = applied(policyKl, options, { logits: student }, { logits: teacher });
    await expectClose(perSample, written(student));
    await expectClose(gradient, differences(written, student), { absolute: 1e-5 });
  });

  it('policy-mean is the squared distance of actions in half ranges', async () => {
    const written = (rows: number[][]) =>
      rows.map((row, i) => mean(row.map((m, j) => (Math.tanh(m) - Math.tanh(teacher[i][j])) ** 2)));
    const { perSample, gradient } = applied(policyMean, {}, { mean: student }, { mean: teacher });
    await expectClose(perSample, written(student));
    await expectClose(gradient, differences(written, student), { absolute: 1e-5 });
  });

  it.each([
    [actionValue, 'logits'],
    [advantages, 'advantages'],
  ] as const)('$name is the mean squared difference, actions that the teacher lacks left out', async (part, name) => {
    const given = [teacher[0], [0.5, 1.75, lacking], teacher[2]];
    const written = (rows: number[][]) =>
      rows.map((row, i) => mean(row.map((v, j) => (v - given[i][j]) ** 2).slice(0, i === 1 ? 2 : 3)));
    const { perSample, gradient } = applied(part, {}, { [name]: student }, { [name]: given });
    await expectClose(perSample, written(student));
    await expectClose(gradient, differences(written, student), { absolute: 1e-5 });
  });

  it('value is the squared difference, of a teacher with action values only from their maximum', async () => {
    const { perSample, gradient } = applied(value, {}, { value: values }, { value: teacherValues });
    await expectClose(perSample, [90.25, 27.5625, 16]);
    await expectClose(gradient, [-19, -10.5, 8]);
    const best = applied(value, { teacherGives: 'action-values' }, { value: values }, { value: teacher });
    await expectClose(best.perSample, [(0.5 - 4) ** 2, (-1.25 - 2) ** 2, 0]);
  });

  it('value relative to the group has both sides centered and scaled within the batch', async () => {
    const target = relative(teacherValues.flat());
    const written = (rows: number[][]) => relative(rows.flat()).map((v, i) => (v - target[i]) ** 2);
    const { perSample, gradient } = applied(value, { normalize: 'group' }, { value: values }, { value: teacherValues });
    await expectClose(perSample, written(values));
    await expectClose(gradient, differences(written, values), { absolute: 1e-5 });
    const shifted = teacherValues.map(([v]) => [3 * v + 7]);
    const same = applied(value, { normalize: 'group' }, { value: shifted }, { value: teacherValues });
    await expectClose(same.perSample, [0, 0, 0], { absolute: 1e-6 });
  });

  it('policies stay finite where the teacher is certain or lacks an action', async () => {
    const rows = [
      [-1e4, 1e4, 0],
      [1, 2, 3],
    ];
    const given = [
      [1e4, -1e4, 0],
      [2, 1, lacking],
    ];
    const divergence = applied(policyKl, { temperature: 0.01 }, { logits: rows }, { logits: given });
    await expectClose(divergence.perSample, [2e4, -Math.log(softmax(rows[1])[0])]);
    await expectClose(divergence.gradient, [-1, 1, 0, ...softmax(rows[1]).map((p, c) => p - (c === 0 ? 1 : 0))]);
    const nll = applied(policyNll, {}, { logits: rows }, { logits: given });
    await expectClose(nll.perSample, [2e4, -Math.log(softmax(rows[1])[0])]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [s, t] = [tf.tensor2d(student), tf.tensor2d(teacher)];
      const losses = [policyNll, policyKl, actionValue].map((part) =>
        makeLoss(part, {}, { student: { logits: [3] }, teacher: { logits: [3] } }).apply(
          { logits: s },
          { logits: t },
          { size: 3 },
          { training: true },
        ),
      );
      tf.dispose([...losses.map(({ perSample }) => perSample), bestActionNll(s, t), s, t]);
    }));
});

describe('losses of networks that act', () => {
  it('refuse a teacher with other actions, naming both shapes', () => {
    expect(() => makeLoss(policyKl, {}, { student: { logits: [2] }, teacher: { logits: [4] } })).toThrow(
      'losses[2]: teacher "r56" gives "logits" as [B, 4], the student as [B, 2]; loss "policy-kl" compares the same actions',
    );
  });

  it('refuse action values for a value, and say which option takes them', () => {
    expect(() => makeLoss(value, {}, { student: { value: [1] }, teacher: { value: [4] } })).toThrow(
      'losses[2]: teacher "r56" gives "value" as [B, 4], loss "value" needs [B, 1]',
    );
  });
});
