import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { createLossTerms, type HostTensor, type LossTerm, Registry, resolvePart, Seeds } from '@retort/core';
import { plugin as losses } from '@retort/losses';
import { createStepLog, trainableParameters } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createRememberingPlayer, unrolled } from './policy-distillation-memory.js';
import { createLabeledReplay } from './policy-distillation-replay.js';
import { scoreOf } from './policy-distillation-scores.js';
import { createMetaDescent, loggedNames } from './policy-distillation-step.js';
import { actionsOf } from './policy-distillation-teaching.js';
import { environmentOf, studentOf } from './test-support/parts.js';

/** Action values w s of a linear student with one weight an action, and how they are learned by gradient descent in float64. */
const start = [0.5, -1];
const [innerRate, outerRate] = [0.1, 0.25];
type Batch = { states: number[]; values: number[][] };

/** Gradient of mean_i mean_a (w_a s_i − v_ia)². */
function gradient(w: number[], { states, values }: Batch): number[] {
  return w.map(
    (weight, a) =>
      states.reduce((sum, s, i) => sum + ((weight * s - values[i][a]) * 2 * s) / w.length, 0) / states.length,
  );
}

const batches: Batch[] = [
  { states: [1, 2], values: [[3, 1], [0, 2]] }, // prettier-ignore
  { states: [-1, 0.5], values: [[1, 1], [-2, 4]] }, // prettier-ignore
  { states: [3, 1], values: [[2, 0], [1, -1]] }, // prettier-ignore
];

async function valueTerms(): Promise<LossTerm[]> {
  const registry = new Registry().use(losses);
  const reference = resolvePart(registry, 'loss', { use: 'action-value' });
  const teachers = ['a', 'b'].map((id) => ({ id, provides: { logits: [2] } }));
  const keyed = { ...reference, keys: { id: 'values', weight: 1 } };
  return createLossTerms([keyed], { offers: { logits: [2] } }, teachers, registry.createScope(), new Seeds(1), [
    '0',
    '1',
  ]);
}

describeEachBackend('meta distillation', () => {
  it.each(['reptile', 'fomaml'] as const)('%s moves as its formula written out in float64', async (use) => {
    const terms = await valueTerms();
    const state = tf.input({ shape: [1], name: 'state' });
    const dense = tf.layers.dense({ units: 2, useBias: false, name: 'logits', weights: [tf.tensor2d([start])] });
    const model = tf.model({ inputs: state, outputs: dense.apply(state) as tf.SymbolicTensor });
    const student = { model, offers: { logits: [2] }, parameters: 2 };
    const { trainable, frozen } = trainableParameters(student, terms, ['a', 'b']);
    const sources = [['logits'], ['logits']];
    const names = loggedNames(terms, sources, true);
    const log = createStepLog(names.losses, [...names.losses, ...names.others]);
    const meta = createMetaDescent(
      { student, terms, sources, trainable, frozen, log, discrete: true, verifyReplay: 0 },
      { use, innerSteps: 2, innerRate, outerRate },
    );
    // The other teacher says something else of the same states, which must not count.
    const rows = batches.slice(0, meta.batches).map(({ states, values }): Record<string, HostTensor> => ({
      state: { data: Float32Array.from(states), shape: [2, 1] },
      '0/logits': { data: new Float32Array(4).fill(99), shape: [2, 2] },
      '1/logits': { data: Float32Array.from(values.flat()), shape: [2, 2] },
    }));
    let w = start;
    for (let iteration = 1; iteration <= 3; iteration++) {
      const iterate = () => meta.iterate(rows, 1, { scale: 0.5, update: iteration });
      // The first ones part variables that shared their values.
      if (iteration < 3) iterate();
      else await expectNoLeak(iterate);
      const descend = (from: number[], rate: number, slope: number[]) => from.map((x, a) => x - rate * slope[a]);
      let moved = w;
      for (const batch of batches.slice(0, 2)) moved = descend(moved, innerRate, gradient(moved, batch));
      w =
        use === 'reptile'
          ? w.map((x, a) => x + 0.5 * outerRate * (moved[a] - x))
          : descend(w, 0.5 * outerRate, gradient(moved, batches[2]));
      await expectClose(Object.values(trainable)[0], w);
    }
    const logged = await log.read();
    expect(logged!['loss/values']).toBeGreaterThan(0);
    meta.dispose();
    log.dispose();
    model.dispose();
  });
});

describeEachBackend('a recurrent student', () => {
  it('is unrolled over steps as it would be stepped, forgetting at the start of episodes, and saves what it remembers', async () => {
    const [environment, reference] = [
      await environmentOf('cart-pole', 3),
      { use: 'policy-lstm', units: 4, hidden: [5] },
    ];
    const student = await studentOf(reference, environment);
    const player = createRememberingPlayer(student, environment);
    const rows: Record<'state' | 'keep' | 'actions', number[]> = { state: [], keep: [], actions: [] };
    environment.reset();
    let memory = player.memory.slice();
    for (let step = 0; step < 30; step++) {
      if (step === 24) {
        memory = player.memory.slice();
        for (const row of Object.values(rows)) row.length = 0;
      }
      rows.state.push(...environment.observations);
      rows.keep.push(...player.keep);
      const actions = await player.act(environment.observations);
      rows.actions.push(...actions);
      // Pushed to one side only, the poles fall in 8 to 11 steps.
      const { terminated } = environment.step(new Int32Array(3));
      player.forget(terminated);
    }
    expect(rows.keep).toContain(0);
    const output = unrolled(student, {
      state: tf.tensor2d(rows.state, [18, 4]),
      memory: tf.tensor2d(memory, [3, 8]),
      keep: tf.tensor2d(rows.keep, [18, 1]),
    });
    expect(output.memory).toBeUndefined();
    expect(Array.from(await tf.argMax(output.logits!, 1).data())).toEqual(rows.actions);
    const again = createRememberingPlayer(student, environment);
    again.load(player.save());
    const shown = environment.observations;
    expect([...(await again.act(shown))]).toEqual([...(await player.act(shown))]);
    expect(again.memory).toEqual(player.memory);
    student.model.dispose();
  });
});

describe('labeled replay', () => {
  const rows = (step: number, copies: number) => ({
    state: Array.from({ length: copies }, (_, copy) => 10 * step + copy),
    '0/logits': Array.from({ length: 2 * copies }, (_, i) => 100 * step + i),
  });
  const shapes = { state: [1], '0/logits': [2] };

  it('keeps the newest whole steps, rows together', () => {
    const replay = createLabeledReplay(8, 3, shapes);
    for (let step = 0; step < 5; step++) replay.add(rows(step, 3));
    expect(replay.size).toBe(6);
    const drawn = replay.draw(new Seeds(1).stream('draw'), 200);
    expect(drawn.state.shape).toEqual([200, 1]);
    expect([...new Set(drawn.state.data)].sort((a, b) => a - b)).toEqual([30, 31, 32, 40, 41, 42]);
    drawn.state.data.forEach((state, i) => {
      const [step, copy] = [Math.floor(state / 10), state % 10];
      expect([...drawn['0/logits'].data.slice(2 * i, 2 * i + 2)]).toEqual([
        100 * step + 2 * copy,
        100 * step + 2 * copy + 1,
      ]);
    });
  });

  it('draws from the copies of a task alone, each as often', () => {
    const replay = createLabeledReplay(20, 5, shapes);
    for (let step = 0; step < 3; step++) replay.add(rows(step, 5));
    const counts = new Map<number, number>();
    for (const state of replay.draw(new Seeds(1).stream('draw'), 900, { task: 0, tasks: 2 }).state.data) {
      counts.set(state % 10, (counts.get(state % 10) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([0, 2, 4]);
    for (const count of counts.values()) expect(Math.abs(count - 300)).toBeLessThan(60);
  });

  it('goes on from where it was saved', () => {
    const [one, other] = [createLabeledReplay(9, 3, shapes), createLabeledReplay(9, 3, shapes)];
    for (let step = 0; step < 4; step++) one.add(rows(step, 3));
    other.load(one.save());
    for (const replay of [one, other]) replay.add(rows(4, 3));
    expect(other.all()).toEqual(one.all());
    expect(other.draw(new Seeds(2).stream('draw'), 7)).toEqual(one.draw(new Seeds(2).stream('draw'), 7));
  });
});

describe('actions of teachers', () => {
  it('are the best, or drawn as often as softmax says, of the copy’s own source', () => {
    const said = { '0/logits': Float32Array.of(1, 2, 0, 0), '1/logits': Float32Array.of(0, 1, 5, -5) };
    const space = { kind: 'discrete', size: 2 } as const;
    expect([...actionsOf(said, 2, space)]).toEqual([1, 0]);
    const random = new Seeds(1).stream('draw');
    let ones = 0;
    for (let i = 0; i < 4000; i++) ones += actionsOf(said, 2, space, random)[0];
    expect(Math.abs(ones / 4000 - 1 / (1 + Math.exp(-1)))).toBeLessThan(0.03);
  });

  it('in a box are middle + half range · tanh', () => {
    const space = { kind: 'box', low: [-1, 0], high: [3, 1] } as const;
    const actions = actionsOf({ '0/mean': Float32Array.of(0.5, -2) }, 1, { ...space, low: [-1, 0], high: [3, 1] });
    expect(actions[0]).toBeCloseTo(1 + 2 * Math.tanh(0.5), 6);
    expect(actions[1]).toBeCloseTo(0.5 + 0.5 * Math.tanh(-2), 6);
  });
});

it('scores are returns relative to the worst there can be', () => {
  const episodes = (...returns: number[]) => returns.map((each) => ({ return: each, length: 1, terminated: true }));
  const balance = { rewardRange: { low: 1, high: 1 }, timeLimit: 500 };
  const swing = { rewardRange: { low: -1, high: 0 }, timeLimit: 500 };
  expect(scoreOf(episodes(200, 250), episodes(500), balance)).toBeCloseTo(0.45);
  expect(scoreOf(episodes(-100), episodes(-80), swing)).toBeCloseTo(400 / 420);
  expect(scoreOf(episodes(-100), episodes(-500), swing)).toBeUndefined();
});
