import { type Agent, discrete } from '@retort/core';
import { toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * Corridors of five places side by side, each walked from the left end: step left or right, reward 1 on reaching the right end
 * and nothing before, cut off after 20 steps. The best return at discount γ is γ³.
 */
export const corridorSize = 5;
export const corridorActions = { step: discrete(2) };
const limit = 20;

export function createCorridors(count: number) {
  const places = new Array<number>(count).fill(0);
  const times = new Array<number>(count).fill(0);
  const observe = (at: readonly number[]) =>
    tf.oneHot(tf.tensor1d([...at], 'int32'), corridorSize).cast('float32') as tf.Tensor2D;
  return {
    state: () => observe(places),
    /** Moves every corridor; those that end start over. */
    step: (moves: ArrayLike<number>) => {
      const reached = places.map((place, i) => Math.max(0, place + (moves[i] === 1 ? 1 : -1)));
      const terminated = reached.map((place) => (place === corridorSize - 1 ? 1 : 0));
      const truncated = times.map((time, i) => (time + 1 === limit && !terminated[i] ? 1 : 0));
      reached.forEach((place, i) => {
        const isOver = terminated[i] || truncated[i];
        places[i] = isOver ? 0 : place;
        times[i] = isOver ? 0 : times[i] + 1;
      });
      return {
        nextState: observe(reached),
        reward: tf.tensor1d(terminated),
        terminated: tf.tensor1d(terminated),
        truncated: tf.tensor1d(truncated),
      };
    },
  };
}

/** Plays `horizon` steps in every corridor and learns. */
export function playCorridors(
  agent: Agent,
  corridors: ReturnType<typeof createCorridors>,
  count: number,
  horizon: number,
): void {
  for (let t = 0; t < horizon; t++) {
    tf.tidy(() => {
      const state = corridors.state();
      const noise = Object.fromEntries(Object.entries(agent.noise(count)).map(([name, x]) => [name, toTensor(x)]));
      const decision = agent.act(state, noise);
      agent.observe({ state, ...decision, ...corridors.step(decision.action.step.dataSync()) });
    });
  }
  tf.dispose(agent.update());
}

/** Discounted return of the policy without noise, from the left end. */
export function corridorReturn(agent: Agent, discount: number): number {
  const corridor = createCorridors(1);
  for (let t = 0; t < limit; t++) {
    const reward = tf.tidy(
      () => corridor.step(Object.values(agent.act(corridor.state()).action)[0].dataSync()).reward.dataSync()[0],
    );
    if (reward > 0) return reward * discount ** t;
  }
  return 0;
}

/** One episode in every corridor, those that are over waiting for the others, and learns. */
export function playCorridorEpisodes(agent: Agent, count: number): void {
  const corridors = createCorridors(count);
  const waits = new Uint8Array(count);
  while (waits.includes(0)) {
    tf.tidy(() => {
      const state = corridors.state();
      const noise = Object.fromEntries(Object.entries(agent.noise(count)).map(([name, x]) => [name, toTensor(x)]));
      const { action, logProbability } = agent.act(state, noise);
      const taken = Object.values(action)[0];
      const mask = tf.tensor1d(Array.from(waits, (wait) => 1 - wait));
      const stepped = corridors.step(taken.dataSync());
      agent.observe({ state, action, logProbability, mask, ...stepped });
      const over = stepped.terminated.maximum(stepped.truncated).dataSync();
      for (let i = 0; i < count; i++) waits[i] |= over[i];
    });
  }
  tf.dispose(agent.update());
}
