import { InputError, type Environment, type EnvironmentContext, type HostTensor } from '@retort/core';
import { actionLength, checkActions } from './check-actions.js';
import type { Simulation } from './simulation.js';
import { terminalText } from './terminal-text.js';

/** What a vectorized simulation is called and when its episodes are cut off. */
export interface VectorizeOptions {
  name: string;
  /** The rules of this environment, for its identity. */
  options: Record<string, unknown>;
  /** Steps after which an episode is truncated. */
  timeLimit: number;
}

/**
 * N copies of a simulation as an environment. A step writes into arrays that are there already.
 *
 * @throws InputError when the time limit or the number of copies is not a positive integer
 */
export function vectorize(
  simulation: Simulation,
  { name, options, timeLimit }: VectorizeOptions,
  { count, seeds, path }: EnvironmentContext,
): Environment {
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InputError(`${path}: ${count} copies of environment "${name}"; at least 1 is needed`);
  if (!Number.isSafeInteger(timeLimit) || timeLimit < 1) {
    throw new InputError(
      `${path}: environment "${name}" has the time limit ${timeLimit}, so an episode may never end`,
      {
        hints: ['timeLimit: a positive number of steps'],
      },
    );
  }
  const { observationSpace, actionSpace, stateSize } = simulation;
  const size = observationSpace.low.length;
  const width = actionLength(actionSpace);

  const allStates = new Float64Array(count * stateSize);
  const allActions = new Float64Array(count * width);
  const steps = new Int32Array(count);
  const observations = new Float32Array(count * size);
  const nextObservations = new Float32Array(count * size);
  const rewards = new Float32Array(count);
  const terminated = new Uint8Array(count);
  const truncated = new Uint8Array(count);
  // One place per copy: its random numbers do not depend on how many copies there are.
  const randoms = Array.from({ length: count }, (_, copy) => seeds.at('copy', copy));
  // Views of each copy, made once.
  const states = rowsOf(allStates, stateSize);
  const actions = rowsOf(allActions, width);
  const shown = rowsOf(observations, size);
  const shownNext = rowsOf(nextObservations, size);
  const result = { observations, nextObservations, rewards, terminated, truncated };
  let started = false;

  const start = (copy: number) => {
    steps[copy] = 0;
    simulation.start(states[copy], randoms[copy]);
    simulation.observe(states[copy], shown[copy]);
  };

  return {
    identity: `${name} ${JSON.stringify({ ...options, timeLimit })}`,
    count,
    observationSpace,
    actionSpace,
    rewardRange: simulation.rewardRange,
    timeLimit,
    observations,
    reset(mask) {
      if (mask && !started) throw new InputError(`environment "${name}": reset all copies before some of them`);
      for (let copy = 0; copy < count; copy++) if (!mask || mask[copy]) start(copy);
      started = true;
      return observations;
    },
    step(taken) {
      if (!started) throw new InputError(`environment "${name}" is stepped before its first reset`);
      checkActions(taken, actionSpace, count, name);
      allActions.set(taken);
      let ended = 0;
      for (let copy = 0; copy < count; copy++) {
        const state = states[copy];
        rewards[copy] = simulation.step(state, actions[copy], randoms[copy]);
        simulation.observe(state, shownNext[copy]);
        const over = simulation.terminated(state) ? 1 : 0;
        const cut = ++steps[copy] >= timeLimit ? 1 - over : 0;
        terminated[copy] = over;
        truncated[copy] = cut;
        ended |= over | cut;
      }
      observations.set(nextObservations);
      if (ended) for (let copy = 0; copy < count; copy++) if (terminated[copy] | truncated[copy]) start(copy);
      return result;
    },
    render: (copy) => simulation.render(states[copy]),
    text: (copy) => simulation.text?.(states[copy]) ?? terminalText(simulation.render(states[copy])),
    save: async () => ({
      started,
      // float64 as bytes: a host tensor holds no float64.
      states: { data: new Uint8Array(allStates.slice().buffer), shape: [count, stateSize * 8] },
      steps: { data: steps.slice(), shape: [count] },
      randoms: randoms.map((random) => random.save()),
    }),
    load(saved) {
      const from = saved as { started: boolean; states: HostTensor; steps: HostTensor; randoms: number[][] };
      if (from.states.shape[0] !== count || from.states.shape[1] !== stateSize * 8) {
        throw new InputError(
          `environment "${name}" has ${count} copies with ${stateSize} numbers, the saved one ${from.states.shape[0]} with ${from.states.shape[1] / 8}`,
        );
      }
      started = from.started;
      new Uint8Array(allStates.buffer).set(from.states.data);
      steps.set(from.steps.data);
      randoms.forEach((random, copy) => random.load(from.randoms[copy]));
      if (started) states.forEach((state, copy) => simulation.observe(state, shown[copy]));
    },
  };
}

function rowsOf<T extends Float32Array | Float64Array>(array: T, length: number): T[] {
  return Array.from({ length: array.length / length }, (_, i) => array.subarray(i * length, (i + 1) * length) as T);
}
