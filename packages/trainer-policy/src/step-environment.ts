import { type Environment, type EnvironmentStep, InputError, RunError } from '@retort/core';
import { actionSize } from './compose-acting.js';

/** Rounding of an action at its bounds, in ranges. More is an error. */
const rounding = 1e-6;

/**
 * Steps an environment, anyone's, watching what goes in and what comes out.
 *
 * @param actions [N] or [N, n]; what rounding put beyond a bound is put onto it, in place
 * @param step number of the step since the run began, for errors
 * @throws InputError naming the copy whose action lies outside its space
 * @throws RunError naming the copy whose observation or reward is not a finite number
 */
export function stepEnvironment(
  environment: Environment,
  actions: Int32Array | Float32Array,
  step: number,
): EnvironmentStep {
  const { identity, count, actionSpace, observationSpace } = environment;
  const width = actionSize(actionSpace);
  if (actions.length !== count * width) {
    throw new InputError(
      `environment ${identity}: ${actions.length} numbers of actions for ${count} copies of ${width}`,
    );
  }
  for (let i = 0; i < actions.length; i++) {
    const action = actions[i];
    let fits = false;
    let space: string;
    if (actionSpace.kind === 'box') {
      const [low, high] = [Math.fround(actionSpace.low[i % width]), Math.fround(actionSpace.high[i % width])];
      const slack = rounding * (high - low);
      fits = action >= low - slack && action <= high + slack;
      if (fits) actions[i] = Math.min(high, Math.max(low, action));
      space = `component ${i % width} lies between ${low} and ${high}`;
    } else {
      fits = Number.isInteger(action) && action >= 0 && action < actionSpace.size;
      space = `actions are whole numbers from 0 to ${actionSpace.size - 1}`;
    }
    if (!fits) {
      throw new InputError(
        `environment ${identity}: action ${action} of copy ${Math.floor(i / width)} at step ${step} is outside its space`,
        {
          hints: [
            space,
            ...(Number.isNaN(action)
              ? ['the network gives numbers that are not finite: try a lower learning rate']
              : []),
          ],
        },
      );
    }
  }
  const result = environment.step(actions);
  const size = observationSpace.low.length;
  const fail = (copy: number, what: string) => {
    throw new RunError(`environment ${identity}: copy ${copy} ${what} at step ${step}`, {
      hints: ['mend the environment: observations and rewards are finite numbers'],
    });
  };
  for (let copy = 0; copy < count; copy++) {
    if (!Number.isFinite(result.rewards[copy])) fail(copy, `earned ${result.rewards[copy]}`);
  }
  checkFinite(result.nextObservations, size, fail);
  if (result.observations !== result.nextObservations) checkFinite(result.observations, size, fail);
  return result;
}

function checkFinite(observations: Float32Array, size: number, fail: (copy: number, what: string) => void): void {
  for (let i = 0; i < observations.length; i++) {
    if (!Number.isFinite(observations[i])) fail(Math.floor(i / size), `shows ${observations[i]}`);
  }
}
