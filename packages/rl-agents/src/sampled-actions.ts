import type { ActionTensors, Experience } from '@retort/core';
import type { Rollout, Transitions } from './rollout.js';
import { transitionsOf } from './rollout.js';

/** What an agent that learns from sampled actions remembers: all but what tells of single components. */
export function recordSampled({ componentReward: _, prior: __, ...experience }: Experience): Transitions {
  return transitionsOf(experience);
}

/** The actions of a rollout by head. @param length as {@link Rollout.column} has it */
export function actionsOf(rollout: Rollout, heads: readonly string[], length?: number): ActionTensors {
  return Object.fromEntries(heads.map((head) => [head, rollout.column(`action/${head}`, length)]));
}
