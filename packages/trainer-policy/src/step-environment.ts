import { type ActionSpace, type Environment, type EnvironmentStep, InputError, RunError } from '@retort/core';
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
    const fitted = fit(actions[i], i % width, actionSpace);
    if (fitted === undefined) refuse(environment, actions[i], i, step);
    else actions[i] = fitted;
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

/** The action within its bounds; undefined where it lies outside them by more than rounding. */
function fit(action: number, component: number, space: ActionSpace): number | undefined {
  if (space.kind !== 'box') return Number.isInteger(action) && action >= 0 && action < space.size ? action : undefined;
  const [low, high] = [Math.fround(space.low[component]), Math.fround(space.high[component])];
  const slack = rounding * (high - low);
  return action >= low - slack && action <= high + slack ? Math.min(high, Math.max(low, action)) : undefined;
}

function refuse({ identity, actionSpace }: Environment, action: number, i: number, step: number): never {
  const width = actionSize(actionSpace);
  const space =
    actionSpace.kind === 'box'
      ? `component ${i % width} lies between ${actionSpace.low[i % width]} and ${actionSpace.high[i % width]}`
      : `actions are whole numbers from 0 to ${actionSpace.size - 1}`;
  const copy = Math.floor(i / width);
  throw new InputError(
    `environment ${identity}: action ${action} of copy ${copy} at step ${step} is outside its space`,
    {
      hints: [
        space,
        ...(Number.isNaN(action) ? ['the network gives what is not a number: try a lower learning rate'] : []),
      ],
    },
  );
}
