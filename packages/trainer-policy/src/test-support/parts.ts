import { discrete, type Environment, type EnvironmentContext, Registry, resolvePart, Seeds } from '@retort/core';
import { plugin as environments } from '@retort/environments';
import { plugin as models } from '@retort/models';
import { plugin as nn } from '@retort/nn';
import { createActingEnvironment, createActingStudent } from '../compose-acting.js';
import { plugin } from '../index.js';

export const registry = new Registry().use(nn).use(models).use(environments).use(plugin);

/** Copies of an environment, made as a run makes them. */
export async function environmentOf(use: unknown, count: number, seed = 1): Promise<Environment> {
  const scope = registry.createScope();
  const reference = resolvePart(registry, 'environment', use);
  return createActingEnvironment({ scope }, reference, { count, seeds: new Seeds(seed).within('environment') });
}

/** A network for an environment. The caller disposes its model. */
export function studentOf(use: unknown, environment: Environment) {
  const scope = registry.createScope();
  const reference = resolvePart(registry, 'student', use);
  return createActingStudent({ scope, baseFolder: '.' }, reference, environment, new Seeds(1).within('student'));
}

/**
 * An environment that counts: copy i shows the steps of its episode, earns what `rewards` says and terminates after i + 1 steps, or
 * never.
 */
export function counting(
  { count }: Pick<EnvironmentContext, 'count'>,
  {
    reward = () => 1,
    shows = (step: number) => step,
    ends = true,
  }: {
    reward?: (copy: number, step: number) => number;
    shows?: (step: number) => number;
    ends?: boolean;
  } = {},
): Environment {
  const steps = new Int32Array(count);
  const observations = new Float32Array(count);
  const nextObservations = new Float32Array(count);
  const rewards = new Float32Array(count);
  const terminated = new Uint8Array(count);
  const truncated = new Uint8Array(count);
  return {
    identity: 'counting {}',
    count,
    observationSpace: { shape: [1], low: Float32Array.of(-Infinity), high: Float32Array.of(Infinity) },
    actionSpace: discrete(2),
    rewardRange: { low: -1, high: 1 },
    timeLimit: 10,
    observations,
    reset() {
      steps.fill(0);
      return observations.fill(0);
    },
    step() {
      for (let copy = 0; copy < count; copy++) {
        steps[copy]++;
        rewards[copy] = reward(copy, steps[copy]);
        nextObservations[copy] = shows(steps[copy]);
        terminated[copy] = ends && steps[copy] > copy ? 1 : 0;
        if (terminated[copy]) steps[copy] = 0;
        observations[copy] = terminated[copy] ? 0 : nextObservations[copy];
      }
      return { observations, nextObservations, rewards, terminated, truncated };
    },
    render: () => ({ width: 1, height: 1, data: new Uint8Array(3) }),
    text: () => '',
    save: async () => ({ steps: Array.from(steps) }),
    load: (state) => steps.set((state as { steps: number[] }).steps),
  };
}
