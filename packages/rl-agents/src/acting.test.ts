import { discrete, Seeds } from '@retort/core';
import { describeEachBackend, useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { corridorReturn, corridorSize, playCorridorEpisodes } from './test-support/corridor.js';
import { createAgentWith, explore } from './test-support/given-network.js';

const faster = { optimizer: { use: 'adamw', learningRate: 2e-2 } };

describeEachBackend('whole episodes in a corridor with its reward at the end', () => {
  it.each([
    ['reinforce', { use: 'reinforce', discount: 0.9, ...faster }, 25],
    ['grpo', { use: 'grpo', ...faster }, 10],
    ['ppo', { use: 'ppo', discount: 0.9, ...faster }, 8],
  ])('end at it by %s', async (_, reference, updates) => {
    const { agent, dispose } = await createAgentWith(reference, {
      observationShape: [corridorSize],
      space: discrete(2),
      hidden: [16],
    });
    for (let i = 0; i < updates; i++) playCorridorEpisodes(agent, 16);
    // What it takes from the left end: of undiscounted returns any way is as good.
    expect(corridorReturn(agent, 0.9)).toBeGreaterThan(0);
    dispose();
  });
});

// Many small kernels: minutes on other backends, on which the gradients themselves are tested.
describe('a cue that is asked for two steps later, on onnxruntime', () => {
  beforeAll(() => useBackend('onnxruntime'));

  /** Share of the copies whose action at the third step was what the first step showed. */
  const play = async (memory: number | undefined) => {
    const [count, random] = [32, new Seeds(5).stream('cues')];
    const { agent, dispose } = await createAgentWith(
      { use: 'ppo', batchSize: 48, unroll: 3, optimizer: { use: 'adamw', learningRate: 1e-2 } },
      { observationShape: [3], space: discrete(2), hidden: [], memory },
    );
    let share = 0;
    for (let update = 0; update < 25; update++) {
      const cues = Array.from({ length: count }, () => random.integer(2));
      for (let t = 0; t < 3; t++) {
        tf.tidy(() => {
          const shown = (at: number) =>
            tf.tensor2d(cues.map((cue) => [at === 0 ? 2 * cue - 1 : 0, Number(at === 1), Number(at === 2)]));
          const decision = explore(agent, shown(t));
          const answers = decision.action.action.dataSync();
          const right = cues.map((cue, copy) => Number(t === 2 && answers[copy] === cue));
          if (t === 2) share = right.reduce((a, b) => a + b) / count;
          agent.observe({
            state: shown(t),
            ...decision,
            reward: tf.tensor1d(right),
            nextState: shown(t + 1),
            terminated: tf.fill([count], Number(t === 2)),
          });
        });
      }
      tf.dispose(agent.update());
    }
    dispose();
    return share;
  };

  it('is remembered by a network with a memory, and is a guess without', async () => {
    expect(await play(4)).toBeGreaterThan(0.9);
    expect(await play(undefined)).toBeLessThan(0.85);
  });
});
