import { InputError, RunError, type Environment, type HostTensor } from '@retort/core';
import { checkActions } from './check-actions.js';

/**
 * Watches an environment, ours or anyone's, at every step: actions lie in their space, observations and rewards are numbers
 * within their bounds, and episodes end. What passes through is not changed.
 *
 * @throws InputError at once when the environment has no time limit, at a step for an action outside its space
 * @throws RunError naming the copy and what is wrong with what it shows or earns, or with an episode that goes on past the limit
 */
export function checkEnvironment(environment: Environment): Environment {
  const { identity, count, actionSpace, observationSpace: space, rewardRange, timeLimit } = environment;
  if (!Number.isFinite(timeLimit)) {
    throw new InputError(`environment ${identity} has no time limit, so an episode may never end`, {
      hints: ['wrap it: { use: time-limit, timeLimit: 1000, environment: … }'],
    });
  }
  const size = space.low.length;
  const steps = new Int32Array(count);
  const fail = (copy: number, what: string, hints: string[] = []) => {
    throw new RunError(`environment ${identity}: copy ${copy} ${what}`, { hints });
  };
  const checkObservations = (observations: Float32Array) => {
    for (let i = 0; i < observations.length; i++) {
      const [value, low, high] = [observations[i], space.low[i % size], space.high[i % size]];
      if (value >= low && value <= high) continue; // false of NaN too
      const at = `${space.names?.[(i % size) % space.names.length] ?? `number ${i % size}`}`;
      fail(Math.floor(i / size), `shows ${value} as ${at}, outside [${low}, ${high}]`, [
        'mend the environment, or the bounds of its observation space',
      ]);
    }
  };
  const { low, high } = rewardRange;
  return {
    ...environment,
    reset(mask) {
      for (let copy = 0; copy < count; copy++) if (!mask || mask[copy]) steps[copy] = 0;
      const observations = environment.reset(mask);
      checkObservations(observations);
      return observations;
    },
    step(actions) {
      checkActions(actions, actionSpace, count, identity);
      const result = environment.step(actions);
      checkObservations(result.nextObservations);
      for (let copy = 0; copy < count; copy++) {
        const reward = result.rewards[copy];
        // Rounded as float32 rewards are.
        if (!(reward >= Math.fround(low) && reward <= Math.fround(high))) {
          fail(copy, `earned ${reward}, outside [${low}, ${high}]`, ['mend the environment, or its reward range']);
        }
        steps[copy] = result.terminated[copy] | result.truncated[copy] ? 0 : steps[copy] + 1;
        if (steps[copy] >= timeLimit) fail(copy, `goes on after ${steps[copy]} steps, past its time limit`);
      }
      // A copy that starts anew shows something else than what the step led to.
      if (result.observations !== result.nextObservations) checkObservations(result.observations);
      return result;
    },
    save: async () => ({ environment: await environment.save(), steps: { data: steps.slice(), shape: [count] } }),
    async load(saved) {
      const from = saved as { environment: never; steps: HostTensor };
      await environment.load(from.environment);
      steps.set(from.steps.data);
    },
  };
}
