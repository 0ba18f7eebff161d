import * as tf from '@tensorflow/tfjs';
import type { Weighting } from '@retort/core';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { rewardNormalizations } from './reward-normalization.js';
import {
  bare,
  createWeighting as create,
  generatorOf,
  logitsOf,
  step,
  viewOf,
  weighInTraining,
} from './test-support/agent-weighting.js';

const w = [0.1, 0.2, 0.3, 0.4];
const setLogits = (weighting: Weighting, weights: number[]) =>
  tf.tidy(() => weighting.variables!['policy/logit/bias'].assign(tf.tensor1d(weights.map(Math.log))));

describeEachBackend('the agent weighting', () => {
  it.each([
    ['eq8-printed', 'weight', [-0.01, 0.06, 0.15, -0.2]],
    ['eq8-rescaled-mean', 'weight', [-0.01, 0.06, 0.15, -0.2]],
    ['eq8-printed', 'weighted-log', [-0.01, 0.06, 0.15, -0.2]],
    ['eq8-rescaled-mean', 'weighted-log', [-0.01, 0.06, 0.15, -0.2]],
    ['eq8-printed', 'log', [3.555, 1.485, -0.785, -4.255]],
    ['eq8-rescaled-mean', 'log', [-0.15, 0.25, 0.45, -0.55]],
  ])(
    'moves logits for rewards (−6, −5, −4.5, −7) by %s and %s as worked out by hand',
    async (normalize, objective, expected) => {
      const reward = { use: 'given', rows: [[-6, -5, -4.5, -7]] };
      const { weighting, dispose } = await create(4, { reward, normalize }, { ...bare, objective });
      setLogits(weighting, w);
      step(weighting, viewOf(1, 4));
      const after = await weighting.variables!['policy/logit/bias'].data();
      await expectClose(
        after.map((value, m) => value - Math.log(w[m])),
        expected,
      );
      await dispose();
    },
  );

  describe("the public code's reward and objective", () => {
    const options = { reward: 'fused-scalar', normalize: 'batch-zscore-clamp01', credit: 'fused' };
    const agent = {
      ...bare,
      objective: 'log',
      epochs: 120,
      optimizer: { use: 'sgd', learningRate: 3, momentum: 0 },
    };
    // Of four samples two are above the mean reward; which teacher is near or right makes no difference to their signs.
    const own = {
      studentCrossEntropy: [1, 2, 4, 8],
      teacherCrossEntropy: new Array<number[]>(4).fill([4, 0.5, 0.5, 0.5]),
      logitLoss: new Array<number[]>(4).fill([0.3, 0.3, 0.3, 0.3]),
    };

    it('pull the fused weights to 1/M: from anywhere without priors', async () => {
      const gammas = { generator: 1, confidence: 0, divergence: 0 };
      const { weighting, dispose } = await create(4, { ...options, gammas }, agent);
      setLogits(weighting, [0.7, 0.2, 0.06, 0.04]);
      const view = viewOf(4, 4, own);
      step(weighting, view);
      await expectClose(await generatorOf(weighting, view), [0.25, 0.25, 0.25, 0.25], { absolute: 1e-3 });
      await dispose();
    });

    it('and against the priors, whatever these know', async () => {
      const third = { generator: 1 / 3, confidence: 1 / 3, divergence: 1 / 3 };
      const { weighting, dispose } = await create(4, { ...options, gammas: third }, agent);
      const view = viewOf(4, 4, own);
      step(weighting, view);
      const { fused, generator } = weighting.weigh(view, undefined);
      await expectClose((await fused.logit!.array())[0], [0.25, 0.25, 0.25, 0.25], { absolute: 1e-3 });
      // The confident teachers get less of the generator, by as much as they get more of the prior.
      const exps = [Math.exp(4), Math.exp(0.5), Math.exp(0.5), Math.exp(0.5)];
      const confidence = exps.map((e) => (1 - e / exps.reduce((a, b) => a + b)) / 3);
      await expectClose(
        (await generator!.logit!.array())[0],
        confidence.map((c) => 0.75 - c - 0.25),
        { absolute: 3e-3 },
      );
      await dispose();
    });
  });

  describe.each(rewardNormalizations)('normalized by %s', (normalize) => {
    it('gives a single teacher all the weight, whatever it earns', async () => {
      const { weighting, dispose } = await create(1, { reward: { use: 'given', rows: [[-3], [5]] }, normalize });
      const view = viewOf(2, 1);
      for (let i = 0; i < 2; i++) await expectClose(step(weighting, view).fused.logit, [1, 1]);
      await dispose();
    });

    it('moves nothing where teachers tie', async () => {
      const reward = { use: 'given', rows: [[-2.3, -2.3, -2.3]] };
      for (const objective of ['weight', 'log']) {
        const { weighting, dispose } = await create(3, { reward, normalize }, { ...bare, objective });
        const view = viewOf(1, 3);
        step(weighting, view);
        await expectClose(await generatorOf(weighting, view), [1 / 3, 1 / 3, 1 / 3], { absolute: 1e-6 });
        await dispose();
      }
    });
  });

  describe('credit to the fused weights', () => {
    const gammas = { generator: 0.5, confidence: 0.5, divergence: 0 };
    const reward = { use: 'given', rows: [[-6, -5, -4.5, -7]] };
    const own = { teacherCrossEntropy: [[1, 2, 0.5, 0.1]] };

    it('moves by the share of the generator less, and where the objective is a logarithm by the fused weights', async () => {
      const exps = own.teacherCrossEntropy[0].map(Math.exp);
      const confidence = exps.map((e) => (1 - e / exps.reduce((a, b) => a + b)) / 3);
      const fused = w.map((weight, m) => 0.5 * weight + 0.5 * confidence[m]);
      const advantage = [-0.15, 0.25, 0.45, -0.55];
      // d/dz_j of Σ_m a_m f_m through the softmax and its share of a half.
      const through = (gain: number[]) =>
        w.map((weight, j) => 0.5 * weight * (gain[j] - w.reduce((sum, v, m) => sum + v * gain[m], 0)));
      const expected = { weight: through(advantage), log: through(advantage.map((a, m) => a / fused[m])) };
      for (const objective of ['weight', 'log'] as const) {
        const options = { reward, normalize: 'eq8-rescaled-mean', credit: 'fused', gammas };
        const { weighting, dispose } = await create(4, options, { ...bare, objective });
        setLogits(weighting, w);
        step(weighting, viewOf(1, 4, own));
        const after = await weighting.variables!['policy/logit/bias'].data();
        await expectClose(
          after.map((value, m) => value - Math.log(w[m])),
          expected[objective],
        );
        await dispose();
      }
    });

    it('tells agents that try weights what these earn after fusion', async () => {
      const options = { reward, normalize: 'eq8-rescaled-mean', credit: 'fused', gammas };
      const { weighting, dispose } = await create(4, options, { use: 'ppo', hidden: [4] });
      const view = viewOf(1, 4, own);
      const { experience, fused, generator } = tf.tidy(() => weighInTraining(weighting, view));
      const [tried, component, [f], [g]] = [
        (await experience['action/logit'].array())[0],
        (await experience['component/logit'].array())[0],
        await fused.logit.array(),
        await generator.logit.array(),
      ];
      // The prior's part is what is left of the fused weights without the generator's half.
      const expected = component.reduce((sum, a, m) => sum + a * (f[m] - 0.5 * g[m] + 0.5 * tried[m]), 0);
      await expectClose(experience.reward, [expected]);
      await dispose();
    });
  });

  it('learns shares of generator and priors where asked to, towards what earns', async () => {
    // The teacher that is right earns, so confidence weights are worth more than even ones.
    const options = {
      reward: { use: 'given', rows: [[1, -1, -1]] },
      gammas: { learnable: true, learningRate: 1 },
    };
    const { weighting, dispose } = await create(3, options, { ...bare, optimizer: { use: 'sgd', learningRate: 1e-9 } });
    const view = viewOf(1, 3, { teacherCrossEntropy: [[0, 6, 6]], logitLoss: [[0, 6, 6]] });
    const before = (await weighting.weigh(view, undefined).fused.logit!.array())[0];
    for (let i = 0; i < 20; i++) step(weighting, view);
    const after = (await weighting.weigh(view, undefined).fused.logit!.array())[0];
    expect(after[0]).toBeGreaterThan(before[0] + 0.1);
    const shares = tf.softmax(weighting.variables!['gammas/logit']);
    const [, confidence, divergence] = await shares.data();
    expect(confidence).toBeGreaterThan(0.5);
    expect(divergence).toBeLessThan(0.2);
    await dispose();
  });

  describe('a null teacher', () => {
    const gammas = { generator: 0.5, confidence: 0.5, divergence: 0 };
    const view = () => viewOf(1, 2, { teacherCrossEntropy: [[0.1, 2]] });
    const learned = async (rows: number[][]) => {
      const made = await create(2, { reward: { use: 'given', rows }, nullTeacher: true, gammas });
      for (let i = 0; i < 12; i++) step(made.weighting, view());
      const { fused, generator } = made.weighting.weigh(view(), undefined);
      const [f, g] = [(await fused.logit!.array())[0], (await generator!.logit!.array())[0]];
      await made.dispose();
      return { f, g };
    };
    const sum = (row: number[]) => row.reduce((a, b) => a + b);

    it('takes distillation away where every teacher does harm, and none where one helps', async () => {
      const harmed = await learned([[-1, -2]]);
      expect(sum(harmed.g)).toBeLessThan(0.25);
      expect(sum(harmed.f)).toBeCloseTo(sum(harmed.g), 5);
      const helped = await learned([[2, 1]]);
      expect(sum(helped.f)).toBeGreaterThan(0.75);
      expect(helped.f).toHaveLength(2);
    });
  });

  describe('an agent per teacher', () => {
    const options = { agents: 'per-teacher', gammas: { generator: 1, confidence: 0, divergence: 0 } };

    it.each([
      ['pg', bare],
      ['ppo', { use: 'ppo', hidden: [], optimizer: { use: 'adamw', learningRate: 0.1 } }],
    ])('gives weights that sum to one, even at first, and finds who earns, with %s', async (_, agent) => {
      const reward = { use: 'given', rows: [[1, 0, -1]] };
      const { weighting, dispose } = await create(3, { ...options, reward }, agent);
      const view = viewOf(32, 3, logitsOf(32));
      await expectClose(await generatorOf(weighting, view), [1 / 3, 1 / 3, 1 / 3]);
      for (let i = 0; i < 6; i++) step(weighting, view);
      const learned = await generatorOf(weighting, view);
      expect(learned.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(learned[0]).toBeGreaterThan(learned[2] + 0.05);
      await dispose();
    });

    it('sees one teacher only: the shares of the others keep their proportion when its logits change', async () => {
      const reward = { use: 'given', rows: [[1, -1, 0.5]] };
      const { weighting, dispose } = await create(3, { ...options, reward });
      for (let i = 0; i < 3; i++) step(weighting, viewOf(1, 3, logitsOf(1)));
      const [a, b] = [
        await generatorOf(weighting, viewOf(1, 3, logitsOf(1))),
        await generatorOf(weighting, viewOf(1, 3, logitsOf(1, -4))),
      ];
      expect(b[2]).not.toBeCloseTo(a[2], 2);
      expect(b[0] / b[1]).toBeCloseTo(a[0] / a[1], 4);
      await dispose();
    });

    it('feels a constant in the rewards, which a joint agent does not', async () => {
      const rows = [[-6, -5, -4.5, -7]];
      const moved = async (agents: string) => {
        const { weighting, dispose } = await create(4, {
          ...options,
          agents,
          reward: { use: 'given', rows },
          normalize: 'eq8-printed',
        });
        step(weighting, viewOf(1, 4));
        const key = agents === 'joint' ? 'policy/logit/bias' : 't3/policy/logit/bias';
        const after = [...(await weighting.variables![key].data())];
        await dispose();
        return after;
      };
      // The fourth earns least: less weight from the joint agent. By itself it is worth 5.625 more than nothing.
      expect((await moved('joint'))[3]).toBeLessThan(0);
      const [followed, not] = await moved('per-teacher');
      expect(followed).toBeGreaterThan(0);
      expect(not).toBeCloseTo(-followed, 5);
    });
  });

  it.each(['equal', 'ones'])('warms up with %s in the first epoch of training, and only there', async (warmUp) => {
    const reward = { use: 'given', rows: [[1, 0, -1]] };
    const { weighting, dispose } = await create(3, { reward, warmUp, updateEvery: 1 });
    const view = viewOf(1, 3, { teacherCrossEntropy: [[0, 1, 2]] });
    const first = new Array<number>(3).fill(warmUp === 'ones' ? 1 : 1 / 3);
    await expectClose(step(weighting, view, false).fused.logit, first);
    await expectClose(step(weighting, view, true).fused.logit, first);
    const { fused } = weighting.weigh(view, undefined);
    const later = step(weighting, view, false);
    await expectClose(later.fused.logit, fused.logit!);
    expect((await later.fused.logit.array())[0][0]).toBeGreaterThan(0.4);
    await dispose();
  });

  it('goes on bit for bit from what it saved: scales, shares, warm-up and experience', async () => {
    const options = { reward: { use: 'given', rows: [[1, 0.2, -1]] }, gammas: { learnable: true }, warmUp: 'equal' };
    const agent = { use: 'pg', hidden: [4] };
    const view = viewOf(1, 3, { teacherCrossEntropy: [[0, 1, 2]], logitLoss: [[1, 0, 3]] });
    const [whole, resumed] = [await create(3, options, agent), await create(3, options, agent)];
    for (const last of [false, true, false]) step(whole.weighting, view, last);
    step(resumed.weighting, view, true);
    await resumed.weighting.load!(await whole.weighting.save!());
    resumed.seeds.load(whole.seeds.save());
    const final: number[][] = [];
    for (const { weighting, dispose } of [whole, resumed]) {
      for (const last of [true, false, true]) step(weighting, view, last);
      final.push([...(await weighting.weigh(view, undefined).fused.logit!.data())]);
      await dispose();
    }
    expect(final[1]).toEqual(final[0]);
  });
});

describe('the agent weighting refuses', () => {
  it.each([
    [{ agents: 'per-teacher', credit: 'fused' }, /credit: agents per teacher earn by their own shares/],
    [{ agents: 'per-teacher', nullTeacher: true }, /nullTeacher: takes agents: joint/],
    [{ credit: 'fused', nullTeacher: true }, /nullTeacher: takes agents: joint/],
    [{ reward: 'eq6', nullTeacher: true }, /nullTeacher: "eq6" is below 0 for every teacher/],
    [{ state: ['similarity'] }, /state: the agent would see nothing/],
    [{ gammas: { divergence: 0.5 } }, /gammas must sum to 1/],
  ])('%j', async (options, message) => {
    await expect(create(2, options)).rejects.toThrow(message);
  });
});
