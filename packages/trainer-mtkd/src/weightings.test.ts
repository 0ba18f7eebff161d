import * as tf from '@tensorflow/tfjs';
import { Seeds, type Weighting, type WeightingContext } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { B, C, contextOf, crossEntropy, D, numbers, softmax, T, viewOf, weigh } from './test-support/made-up-view.js';
import { aekd, distillationGradients } from './weighting-aekd.js';
import { amtmlKd, mixtureGradient } from './weighting-amtml-kd.js';
import { caMkd } from './weighting-ca-mkd.js';
import { constantWeights } from './weighting-constant.js';
import { bestSingle, oracle, priorsOnly, random as randomWeights } from './weighting-controls.js';
import { ebKd } from './weighting-eb-kd.js';
import { equal } from './weighting-equal.js';

const entropy = (z: number[]) => -softmax(z).reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);

const parts = { equal, 'eb-kd': ebKd, 'ca-mkd': caMkd, aekd, oracle, 'priors-only': priorsOnly } as const;
const create = (
  part: { options: { parse(value: unknown): unknown }; create: unknown },
  context: WeightingContext,
  options = {},
) => (part.create as (options: unknown, context: WeightingContext) => Weighting)(part.options.parse(options), context);

describeEachBackend('eb-kd', () => {
  it('is one minus the share of the entropy', async () => {
    const own = numbers(3);
    const expected = own.labels.flatMap((_, i) => {
      const all = own.teachers.map(({ logits }) => entropy(logits[i]));
      return all.map((h) => (1 - h / all.reduce((a, b) => a + b)) / 2);
    });
    await expectClose((await weigh(create(ebKd, contextOf(own)), own)).flat(), expected);
    const published = create(ebKd, contextOf(own), { sum: 'published' });
    await expectClose(
      (await weigh(published, own)).flat(),
      expected.map((w) => (w * 2) / 3),
    );
  });

  it('survives teachers that are certain', async () => {
    const own = numbers(2);
    for (const teacher of own.teachers) teacher.logits = teacher.logits.map(() => [1000, 0, 0, 0]);
    await expectClose((await weigh(create(ebKd, contextOf(own)), own)).flat(), new Array(2 * B).fill(0.5));
  });
});

describeEachBackend('ca-mkd', () => {
  it("weighs predictions by cross-entropy and features by that of the teacher's classifier on them", async () => {
    const own = numbers(3);
    const confidence = (losses: number[]) => softmax(losses).map((w) => (1 - w) / (losses.length - 1));
    const weighting = create(caMkd, contextOf(own));
    await expectClose(
      (await weigh(weighting, own)).flat(),
      own.labels.flatMap((y, i) => confidence(own.teachers.map(({ logits }) => crossEntropy(logits[i], y)))),
    );
    await expectClose(
      (await weigh(weighting, own, 'feature')).flat(),
      own.labels.flatMap((y, i) =>
        confidence(
          own.teachers.map(({ adapted, kernel, bias }) => {
            const logits = bias.map((b, c) => b + adapted[i].reduce((sum, v, d) => sum + v * kernel[d][c], 0));
            return crossEntropy(logits, y);
          }),
        ),
      ),
    );
  });

  it('refuses teachers whose classifier is not known, and says what to do', () => {
    const context = contextOf(numbers(2));
    delete context.teachers[1].classifier;
    expect(() => create(caMkd, context)).toThrow(/teacher t1's own classifier; none is known of it/);
    expect(() => create(caMkd, context, { features: 'logit' })).not.toThrow();
    expect(() => create(caMkd, { ...contextOf(numbers(2)), adaptedSizes: [D, undefined] })).toThrow(
      /it reads 3 features and the adapter gives none/,
    );
  });
});

describeEachBackend('aekd', () => {
  it('has the gradients of the distillation losses at the logits in closed form', async () => {
    const own = numbers(2);
    const kl = (teacher: number[], student: number[]) => {
      const [t, s] = [teacher, student].map((z) => softmax(z.map((v) => v / T)));
      return T * T * t.reduce((sum, p, c) => sum + p * (Math.log(p) - Math.log(s[c])), 0);
    };
    const step = 1e-5;
    const expected = own.teachers.flatMap(({ logits }) =>
      Array.from({ length: C }, (_, c) => {
        const at = (i: number, delta: number) =>
          kl(
            logits[i],
            own.student[i].map((v, k) => (k === c ? v + delta : v)),
          );
        return own.student.reduce((sum, _, i) => sum + (at(i, step) - at(i, -step)) / (2 * step), 0) / B;
      }),
    );
    const { student, teachers } = viewOf(own);
    await expectClose(
      distillationGradients(
        student.logits!,
        teachers.map(({ logits }) => logits!),
        T,
      ),
      expected,
      {
        absolute: 1e-4,
      },
    );
  });

  it('gives one vector of weights to the whole batch, none above the tolerance', async () => {
    const own = numbers(4);
    for (const options of [{}, { normalizeGradients: true }, { tolerance: 0.3 }]) {
      const rows = await weigh(create(aekd, contextOf(own), options), own);
      for (const row of rows) expect(row).toEqual(rows[0]);
      if (!('normalizeGradients' in options))
        expect(Math.max(...rows[0])).toBeLessThan((options.tolerance ?? 0.6) + 1e-3);
    }
  });
});

describeEachBackend('amtml-kd', () => {
  it("moves the scores down the gradient of the mixed target's divergence", async () => {
    const own = numbers(3);
    const scores = own.labels.map((_, i) => [0.3 * i, -0.2, 0.1 * i]);
    const loss = (at: number[][]) =>
      at.reduce((sum, row, i) => {
        const mu = softmax(row);
        const teachers = own.teachers.map(({ logits }) => softmax(logits[i].map((v) => v / T)));
        const student = softmax(own.student[i].map((v) => v / T));
        const mixed = student.map((_, c) => mu.reduce((total, w, m) => total + w * teachers[m][c], 0));
        return sum + T * T * mixed.reduce((kl, q, c) => kl + q * Math.log(q / student[c]), 0);
      }, 0) / B;
    const step = 1e-5;
    const expected = scores.flatMap((row, i) =>
      row.map((_, m) => {
        const moved = (delta: number) =>
          scores.map((other, k) => (k === i ? other.map((v, j) => (j === m ? v + delta : v)) : other));
        return (loss(moved(step)) - loss(moved(-step))) / (2 * step);
      }),
    );
    const { student, teachers } = viewOf(own);
    await expectClose(
      mixtureGradient(
        tf.softmax(tf.tensor2d(scores)),
        student.logits!,
        teachers.map(({ logits }) => logits!),
        T,
      ),
      expected,
      { absolute: 1e-5, relative: 1e-3 },
    );
  });

  it('learns while it trains, stops when told to, and is saved and restored', async () => {
    const own = numbers(3);
    const context = contextOf(own);
    const weighting = create(amtmlKd, context, { learnEpochs: 1, regularization: 0 });
    const mixedDivergence = async () => {
      const weights = await weigh(weighting, own);
      return weights.reduce((sum, mu, i) => {
        const student = softmax(own.student[i].map((v) => v / T));
        const teachers = own.teachers.map(({ logits }) => softmax(logits[i].map((v) => v / T)));
        const mixed = student.map((_, c) => mu.reduce((total, w, m) => total + w * teachers[m][c], 0));
        return sum + mixed.reduce((kl, q, c) => kl + q * Math.log(q / student[c]), 0);
      }, 0);
    };
    const train = () => tf.tidy(() => void weighting.weigh(viewOf(own), {}));
    const before = await mixedDivergence();
    for (let step = 0; step < 120; step++) train();
    const after = await mixedDivergence();
    expect(after).toBeLessThan(before * 0.9);
    weighting.afterStep!({}, { lastInEpoch: true });
    train();
    expect(await mixedDivergence()).toBe(after);

    const saved = await weighting.save!();
    const other = create(amtmlKd, { ...context, seeds: new Seeds(2) });
    await other.load!(saved);
    expect(await weigh(other, own)).toEqual(await weigh(weighting, own));
    for (const row of await weigh(weighting, own, 'feature')) expect(row[0]).toBeCloseTo(1 / 3, 6);
  });
});

describeEachBackend('controls', () => {
  it('random draws from the simplex, anew each time, and is even when evaluated', async () => {
    const own = numbers(3);
    const weighting = create(randomWeights, contextOf(own));
    const draw = weighting.noise!(2000).weights;
    const rows = Array.from({ length: 2000 }, (_, i) => draw.data.slice(3 * i, 3 * i + 3));
    for (const row of rows) expect(row[0] + row[1] + row[2]).toBeCloseTo(1, 5);
    // Uniform on the simplex of three: mean 1/3, P(w > 1/2) = 1/4; five standard errors.
    expect(Math.abs(rows.reduce((sum, row) => sum + row[0], 0) / 2000 - 1 / 3)).toBeLessThan(
      5 * Math.sqrt(1 / 18 / 2000),
    );
    expect(Math.abs(rows.filter((row) => row[1] > 0.5).length / 2000 - 0.25)).toBeLessThan(
      5 * Math.sqrt(0.1875 / 2000),
    );
    expect(weighting.noise!(1).weights.data).not.toEqual(draw.data.slice(0, 3));
    for (const row of await weigh(weighting, own)) expect(row[1]).toBeCloseTo(1 / 3, 6);
  });

  it('the oracle follows the least cross-entropy and shares ties', async () => {
    const own = numbers(3);
    const rows = await weigh(create(oracle, contextOf(own)), own);
    rows.forEach((row, i) => {
      const losses = own.teachers.map(({ logits }) => crossEntropy(logits[i], own.labels[i]));
      expect(row[losses.indexOf(Math.min(...losses))]).toBe(1);
    });
    own.teachers[1] = own.teachers[0];
    own.teachers[2].logits = own.teachers[2].logits.map((_, i) =>
      Array.from({ length: C }, (_, c) => (c === own.labels[i] ? -50 : 0)),
    );
    expect(await weigh(create(oracle, contextOf(own)), own)).toEqual(own.labels.map(() => [0.5, 0.5, 0]));
  });

  it('the best single teacher is chosen on the pass, by accuracy and then by cross-entropy', async () => {
    const own = numbers(3);
    own.teachers[1].logits = own.labels.map((y) => Array.from({ length: C }, (_, c) => (c === y ? 1 : 0)));
    own.teachers[2].logits = own.labels.map((y) => Array.from({ length: C }, (_, c) => (c === y ? 3 : 0)));
    const weighting = create(bestSingle, contextOf(own));
    const { teachers, batch } = viewOf(own);
    await weighting.fit!(
      (async function* () {
        yield { teachers, batch: { targets: { label: { data: await batch.label!.data(), shape: [B] } } } as never };
      })(),
    );
    expect(await weigh(weighting, own)).toEqual(own.labels.map(() => [0, 0, 1]));
    expect(await weigh(create(bestSingle, contextOf(own), { teacher: 't0' }), own)).toEqual(
      own.labels.map(() => [1, 0, 0]),
    );
    expect(() => create(bestSingle, contextOf(own), { teacher: 'x' })).toThrow(
      'trainer.weighting.teacher: none is called "x"',
    );
  });

  it('constants are normalized, by head where they say so, and name a teacher that is not there', async () => {
    const own = numbers(3);
    const weights = { logit: { t0: 1, t1: 3 }, feature: { t2: 2 } };
    const weighting = create(constantWeights, contextOf(own), { weights });
    await expectClose((await weigh(weighting, own))[0], [0.25, 0.75, 0]);
    await expectClose((await weigh(weighting, own, 'feature'))[0], [0, 0, 1]);
    expect(() => create(constantWeights, contextOf(own), { weights: { t9: 1 } })).toThrow(/no teacher is called "t9"/);
    expect(() => create(constantWeights, contextOf(own), { weights: { t0: 0 } })).toThrow(
      /some weight must be above 0/,
    );
    expect(() => create(constantWeights, contextOf(own), {})).toThrow(/one of them/);
  });

  it('leave no tensors', async () => {
    const own = numbers(3);
    const view = viewOf(own);
    for (const part of Object.values(parts)) {
      const weighting = create(part, contextOf(own));
      await expectNoLeak(() => tf.dispose(tf.tidy(() => weighting.weigh(view, undefined).fused)));
      weighting.dispose?.();
    }
  });
});
