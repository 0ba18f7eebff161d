import { InputError, type Stateful, type StateTree, z } from '@retort/core';

/** Options of the annealing of stage 2, for a trainer's own. */
export const annealOptions = z.strictObject({
  schedule: z
    .enum(['linear', 'cosine', 'exponential', 'reward-adaptive'])
    .default('linear')
    .describe(
      'How λ falls over the stage; reward-adaptive: as far as the mean reward has come towards `target`, and never back.',
    ),
  from: z.number().min(0).max(1).default(1).describe('λ at the first step.'),
  to: z.number().min(0).max(1).default(0.1).describe('λ at the last step.'),
  terms: z
    .enum(['both', 'task', 'kd'])
    .default('both')
    .describe(
      'What λ is multiplied with: the task loss, the distillation losses, or both. 1 − λ multiplies the rewards.',
    ),
  target: z
    .number()
    .default(0.9)
    .describe('reward-adaptive only: the weighted mean of the rewards, not standardized, at which λ has come to `to`.'),
  memory: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe('reward-adaptive only: share of the old mean that is kept when a new reward is told.'),
});

export type AnnealOptions = z.output<typeof annealOptions>;

/** How much the supervised terms still count. */
export interface Anneal extends Stateful {
  /** λ at a step of the stage, from 0. */
  lambda(step: number): number;
  /** Takes a mean reward; of effect on reward-adaptive only. */
  observe(reward: number): void;
}

/**
 * λ(t) over the T steps of stage 2, t = step / (T − 1):
 * linear from + (to − from) t; cosine to + (from − to)(1 + cos πt) / 2; exponential from (to / from)^t;
 * reward-adaptive from + (to − from) max over time of (r̄ − r₀) / (target − r₀), kept within [0, 1], with the running mean r̄ of what was
 * observed and its first value r₀.
 *
 * @throws InputError when λ would rise, or is to fall to 0 exponentially
 */
export function createAnneal(options: AnnealOptions, steps: number, path: string): Anneal {
  const { schedule, from, to, target, memory } = options;
  if (to > from) throw new InputError(`${path}: λ falls from \`from\` to \`to\`, and ${from} is less than ${to}`);
  if (schedule === 'exponential' && to === 0) {
    throw new InputError(`${path}: an exponential never comes to 0`, { hints: ['set to: 0.01, or schedule: linear'] });
  }
  let first: number | undefined;
  let mean = 0;
  let progress = 0;
  const byTime = {
    linear: (t: number) => from + (to - from) * t,
    cosine: (t: number) => to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2,
    exponential: (t: number) => (from === 0 ? 0 : from * (to / from) ** t),
  };
  return {
    lambda: (step) =>
      schedule === 'reward-adaptive'
        ? from + (to - from) * progress
        : byTime[schedule](steps > 1 ? Math.min(1, step / (steps - 1)) : 0),
    observe(reward) {
      // A reward that is not finite ends the run elsewhere; it must not end the annealing.
      if (!Number.isFinite(reward)) return;
      mean = first === undefined ? reward : memory * mean + (1 - memory) * reward;
      first ??= reward;
      const come = target > first ? (mean - first) / (target - first) : 1;
      progress = Math.max(progress, Math.min(1, come));
    },
    save: () => Promise.resolve({ first: first ?? null, mean, progress }),
    load(state: StateTree) {
      const saved = state as { first: number | null; mean: number; progress: number };
      first = saved.first ?? undefined;
      ({ mean, progress } = saved);
    },
  };
}

/** What the three parts of the loss of stage 2 are multiplied with. */
export interface StageWeights {
  task: number;
  distillation: number;
  reward: number;
}

/** L2 = λ L1 + (1 − λ) L_RL, with λ on the terms of L1 that are annealed and 1 on the others. */
export function stageWeights(lambda: number, terms: AnnealOptions['terms']): StageWeights {
  return {
    task: terms === 'kd' ? 1 : lambda,
    distillation: terms === 'task' ? 1 : lambda,
    reward: 1 - lambda,
  };
}
