import { Random } from '@retort/core';
import { compile, gradientsOf, type TensorMap } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import type { DecisionTargets } from './policy.js';
import { dot, normals, rowsOf, unit } from './test-support/planted.js';
import { draw, policy, reward } from './test-support/setup.js';

const softmax = (logits: number[]) => {
  const exps = logits.map((value) => Math.exp(value - Math.max(...logits)));
  return exps.map((each) => each / exps.reduce((a, b) => a + b));
};
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

const [B, C, D, K] = [6, 4, 5, 3];
const random = new Random([6, 6]);
const logits = rowsOf(normals(B * C, random), C);
const features = [0, 1].map(() => rowsOf(normals(B * D, random), D).map(unit));
const centers = rowsOf(normals(K * D, random), D).map(unit);
const assignment = Array.from({ length: B }, (_, i) => i % K);
const label = Array.from({ length: B }, (_, i) => i % C);
const belief = () => ({ logits: tf.tensor2d(logits), features: features.map((rows) => tf.tensor2d(rows)) });
const targets = (): DecisionTargets => ({
  label: tf.tensor1d(label, 'int32'),
  centers: tf.tensor2d(centers),
  assignment: tf.tensor1d(assignment, 'int32'),
});
const plain = { standardize: 'none', baseline: 'none' };
const array = async (x: tf.Tensor) => Array.from(await x.data());

describeEachBackend('decision policy', () => {
  it('samples classes from softmax(s / τ) and features around the mean, σ = deviation / √D', async () => {
    const given = await policy(C, ['confidence', 'cluster-cosine'], { temperature: 2, deviation: 0.3, samples: 3000 });
    const noise = draw(given.noise(1, [D]), random);
    const student = { logits: tf.tensor2d([logits[0]]), features: [tf.tensor2d([features[0][0]])] };
    const one = { ...targets(), assignment: tf.tensor1d([0], 'int32'), label: tf.tensor1d([0], 'int32') };
    const { classAction, featureActions } = given.decide(student, one, noise);
    const classes = await array(classAction);
    softmax(logits[0].map((value) => value / 2)).forEach((p, c) => {
      const share = classes.filter((each) => each === c).length / 3000;
      expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 3000));
    });
    const offsets = rowsOf(await featureActions[0].data(), D).map((row) => row.map((u, d) => u - features[0][0][d]));
    const sigma = 0.3 / Math.sqrt(D);
    for (let d = 0; d < D; d++) {
      const mean = sum(offsets.map((offset) => offset[d])) / 3000;
      const variance = sum(offsets.map((offset) => offset[d] ** 2)) / 3000;
      expect(Math.abs(mean)).toBeLessThan((4 * sigma) / Math.sqrt(3000));
      expect(Math.abs(variance / sigma ** 2 - 1)).toBeLessThan(4 * Math.sqrt(2 / 3000));
    }
    // As long as `deviation` on the whole.
    expect(Math.sqrt(sum(offsets.map((offset) => dot(offset, offset))) / 3000)).toBeCloseTo(0.3, 1);
  });

  it('has REINFORCE with the self-critical baseline as its loss, rewards being constants', async () => {
    const [τ, σ, wc, wf] = [1.5, 0.4 / Math.sqrt(D), 0.7, 0.2];
    const given = await policy(C, [await reward('confidence', wc), await reward('cluster-negative-l2', wf)], {
      ...plain,
      baseline: 'self-critical',
      temperature: τ,
      deviation: 0.4,
    });
    const noise = draw(given.noise(B, [D, D]), random);
    const { classAction, featureActions } = given.decide(belief(), targets(), noise);
    const actions = await array(classAction);
    const sampled = await Promise.all(featureActions.map(async (u) => rowsOf(await u.data(), D)));
    const negativeL2 = (rows: number[][][], i: number) =>
      sum(rows.map((tap) => -sum(tap[i].map((u, d) => (u - centers[assignment[i]][d]) ** 2)))) / 2;
    const variables = { s: tf.variable(tf.tensor2d(logits)), z: tf.variable(tf.tensor2d(features[0])) };
    const { value, gradients } = gradientsOf(() => {
      const student = {
        logits: variables.s as tf.Tensor as tf.Tensor2D,
        features: [variables.z as tf.Tensor as tf.Tensor2D, tf.tensor2d(features[1])],
      };
      return given.loss(student, targets(), noise).loss.sum() as tf.Scalar;
    }, variables);
    const expectedLogits: number[] = [];
    const expectedFeature: number[] = [];
    let loss = 0;
    logits.forEach((row, i) => {
      const p = softmax(row.map((s) => s / τ));
      const classAdvantage = wc * (p[actions[i]] - Math.max(...p));
      const featureAdvantage = wf * (negativeL2(sampled, i) - negativeL2(features, i));
      p.forEach((each, c) => expectedLogits.push((-classAdvantage * (Number(c === actions[i]) - each)) / τ));
      const offsets = sampled.map((tap, t) => tap[i].map((u, d) => u - features[t][i][d]));
      offsets[0].forEach((offset) => expectedFeature.push((-featureAdvantage * offset) / σ ** 2));
      const logDensity = -sum(offsets.map((offset) => dot(offset, offset))) / (2 * σ ** 2);
      loss -= classAdvantage * Math.log(p[actions[i]]) + featureAdvantage * logDensity;
    });
    await expectClose(gradients.s, expectedLogits);
    await expectClose(gradients.z, expectedFeature, { absolute: 1e-4, relative: 1e-3 });
    await expectClose(value, [loss], { absolute: 1e-4, relative: 1e-3 });
    tf.dispose(variables);
  });

  it('gives each action the rewards that depend on it', async () => {
    const both = await policy(C, ['confidence', 'cluster-cosine'], plain);
    const noise = draw(both.noise(B, [D, D]), random);
    const { advantage, earned } = both.decide(belief(), targets(), noise);
    await expectClose(advantage.class!, earned.confidence);
    await expectClose(advantage.feature!, earned['cluster-cosine']);
    const only = (await policy(C, ['cluster-cosine'], plain)).decide(belief(), targets(), noise);
    expect(Object.keys(only.advantage)).toEqual(['feature']);
    expect(Object.keys(only.logProbability)).toEqual(['feature']);
  });

  it('compares with the mean of the batch, or of the samples of an image in their deviation', async () => {
    const mean = await policy(C, ['confidence'], { ...plain, baseline: 'batch-mean', samples: 2 });
    const noise = draw(mean.noise(B, [D, D]), random);
    const first = mean.decide(belief(), targets(), noise);
    const earned = await array(first.earned.confidence);
    expect(earned).toHaveLength(2 * B);
    await expectClose(
      first.advantage.class!,
      earned.map((each) => each - sum(earned) / (2 * B)),
    );
    const group = await policy(C, ['cluster-cosine'], { ...plain, baseline: 'group', samples: 4 });
    const { advantage, earned: all } = group.decide(belief(), targets(), draw(group.noise(B, [D, D]), random));
    const cosines = await array(all['cluster-cosine']);
    await expectClose(
      advantage.feature!,
      cosines.map((each, at) => {
        const own = cosines.filter((_, i) => i % B === at % B);
        const center = sum(own) / 4;
        return (each - center) / Math.sqrt(sum(own.map((value) => (value - center) ** 2)) / 4);
      }),
      { absolute: 1e-3, relative: 1e-3 },
    );
  });

  it('standardizes each reward over the batch, greedy ones with the statistics of the samples', async () => {
    const rewards = [await reward('cluster-cosine', 0.5), await reward('cluster-negative-l2', 2)];
    const given = await policy(C, rewards, { deviation: 1 });
    const noise = draw(given.noise(B, [D, D]), random);
    const { advantage, earned } = given.decide(belief(), targets(), noise);
    const quiet = Object.fromEntries(Object.entries(noise).map(([name, x]) => [name, tf.zerosLike(x)]));
    const greedy = given.decide(belief(), targets(), { ...quiet, 'class/uniform': noise['class/uniform'] }).earned;
    const expected = new Array<number>(B).fill(0);
    for (const { name, weight } of rewards) {
      const [sampled, without] = [await array(earned[name]), await array(greedy[name])];
      const mean = sum(sampled) / B;
      const deviation = Math.sqrt(sum(sampled.map((value) => (value - mean) ** 2)) / B);
      sampled.forEach((value, i) => (expected[i] += (weight * (value - without[i])) / deviation));
    }
    await expectClose(advantage.feature!, expected, { absolute: 1e-3, relative: 1e-3 });
  });

  it('learns nothing from rewards that are all the same', async () => {
    const given = await policy(C, ['correct-gated']);
    const noise = draw(given.noise(B, []), random);
    const wrong = {
      ...belief(),
      logits: tf.tensor2d(label.map((c) => Array.from({ length: C }, (_, k) => (k === c ? -50 : 0)))),
    };
    const { advantage } = given.decide({ ...wrong, features: [] }, targets(), noise);
    await expectClose(advantage.class!, new Array<number>(B).fill(0), { absolute: 0, relative: 0 });
  });

  it('follows the derivative of the rewards under pathwise, with the sampled class held fixed', async () => {
    const rewards = await Promise.all(
      [
        ...(['confidence', 'negative-entropy', 'sharpening'] as const),
        ...(['cluster-cosine', 'cluster-negative-l2', 'cluster-soft-assignment', 'cluster-nearest'] as const),
      ].map((use, i) => reward(use, 0.3 + 0.1 * i)),
    );
    const [w, samples, σ] = [rewards.map(({ weight }) => weight), 2, 0.2 / Math.sqrt(D)];
    const options = { gradient: 'pathwise', standardize: 'none', temperature: 0.8, deviation: 0.2, samples };
    const given = await policy(C, rewards, options);
    const noise = draw(given.noise(B, [D]), random);
    const actions = await array(
      (await policy(C, ['confidence'], { ...options, gradient: 'score' })).decide(
        { logits: tf.tensor2d(logits), features: [] },
        targets(),
        noise,
      ).classAction,
    );
    const normal = rowsOf(await noise['feature/0'].data(), D);
    const loss = (flat: number[]) => {
      const [rows, means] = [rowsOf(flat.slice(0, B * C), C), rowsOf(flat.slice(B * C), D)];
      let total = 0;
      for (let g = 0; g < samples; g++) {
        for (let i = 0; i < B; i++) {
          const p = softmax(rows[i].map((s) => s / 0.8));
          const u = means[i].map((z, d) => z + σ * normal[g * B + i][d]);
          const own = centers[assignment[i]];
          const cosines = centers.map((center) => dot(unit(u), center));
          total -=
            w[0] * p[actions[g * B + i]] +
            w[1] * sum(p.map((each) => each * Math.log(each))) +
            (w[2] * sum(p.map((each) => each ** 2))) / 2 +
            w[3] * dot(unit(u), own) -
            w[4] * sum(u.map((value, d) => (value - own[d]) ** 2)) +
            w[5] * softmax(cosines.map((cosine) => cosine / 0.1))[assignment[i]] +
            w[6] * Math.max(...cosines);
        }
      }
      return total / samples;
    };
    const variables = { s: tf.variable(tf.tensor2d(logits)), z: tf.variable(tf.tensor2d(features[0])) };
    const { value, gradients } = gradientsOf(() => {
      const student = {
        logits: variables.s as tf.Tensor as tf.Tensor2D,
        features: [variables.z as tf.Tensor as tf.Tensor2D],
      };
      return given.loss(student, targets(), noise).loss.sum() as tf.Scalar;
    }, variables);
    const at = [...logits.flat(), ...features[0].flat()];
    const expected = numericalGradient(loss, at);
    await expectClose(value, [loss(at)]);
    await expectClose(gradients.s, expected.slice(0, B * C), { absolute: 1e-4, relative: 1e-3 });
    await expectClose(gradients.z, expected.slice(B * C), { absolute: 1e-4, relative: 1e-3 });
    tf.dispose(variables);
  });

  it('moves by the clipped surrogate of ppo in further steps on the same decisions', async () => {
    const given = await policy(C, ['teacher-probability'], { ...plain, objective: { use: 'ppo', clip: 0.2 } });
    const noise = draw(given.noise(B, []), random);
    const before = { logits: tf.tensor2d(logits), features: [] };
    const judged = { ...targets(), teacherLogits: tf.tensor2d(logits) };
    const experience = given.decide(before, judged, noise);
    // The ratio is 1 at first.
    const earned = await array(experience.earned['teacher-probability']);
    await expectClose(
      given.surrogate(before, experience),
      earned.map((each) => -each),
    );
    const moved = logits.map((row) => row.map((s, c) => s + (c === 0 ? 1 : 0)));
    const actions = await array(experience.classAction);
    await expectClose(
      given.surrogate({ logits: tf.tensor2d(moved), features: [] }, experience),
      earned.map((advantage, i) => {
        const ratio = softmax(moved[i])[actions[i]] / softmax(logits[i])[actions[i]];
        return -Math.min(ratio * advantage, Math.min(1.2, Math.max(0.8, ratio)) * advantage);
      }),
    );
  });

  it('gives a loss per image that is the mean over its samples', async () => {
    const given = await policy(C, ['confidence'], { ...plain, samples: 3 });
    const noise = draw(given.noise(B, []), random);
    const student = { logits: tf.tensor2d(logits), features: [] };
    const actions = await array(given.decide(student, targets(), noise).classAction);
    await expectClose(
      given.loss(student, targets(), noise).loss,
      logits.map((row, i) => {
        const p = softmax(row);
        return -sum([0, 1, 2].map((g) => p[actions[g * B + i]] * Math.log(p[actions[g * B + i]]))) / 3;
      }),
    );
  });

  it.each(['score', 'pathwise'])(
    'is one compiled step that gives the same when it is replayed, %s',
    async (gradient) => {
      const given = await policy(C, ['confidence', 'cluster-cosine'], { samples: 2, gradient });
      const variables = { s: tf.variable(tf.tensor2d(logits)), z: tf.variable(tf.tensor2d(features[0])) };
      const step = compile(
        (noise: TensorMap) => {
          const [s, z] = [variables.s, variables.z] as tf.Tensor[] as tf.Tensor2D[];
          const loss = () => given.loss({ logits: s, features: [z] }, targets(), noise).loss.mean() as tf.Scalar;
          const { value, gradients } = gradientsOf(loss, variables);
          return { value, ...gradients } as TensorMap;
        },
        { variables },
      );
      const [first, other] = [draw(given.noise(B, [D]), random), draw(given.noise(B, [D]), random)];
      const run = async (noise: TensorMap) => {
        const outputs = step(noise);
        const values = await Promise.all([outputs.value, outputs.s, outputs.z].map(array));
        tf.dispose(outputs);
        return values.flat();
      };
      const before = await run(first);
      await expectNoLeak(async () => expect(await run(other)).not.toEqual(before));
      expect(await run(first)).toEqual(before);
      tf.dispose(variables);
    },
  );
});

describe('a decision policy', () => {
  it('is refused where it could teach nothing', async () => {
    await expect(policy(C, ['negative-entropy'])).rejects.toThrow(
      'trainer.policy: reward "negative-entropy" teaches nothing',
    );
    await expect(policy(C, ['confidence'], { baseline: 'group' })).rejects.toThrow('compares the samples of an image');
  });
});
