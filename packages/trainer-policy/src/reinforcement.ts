import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type Agent,
  definePart,
  type Environment,
  InputError,
  type MetricValue,
  partReference,
  type PartReference,
  type Split,
  type Student,
  type Teacher,
  type Trainer,
  type TrainerContext,
  trainInLoop,
  z,
} from '@retort/core';
import { namedWeights, setObservationMoments } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { type Collector, createCollector, type WeightedEnvironmentReward } from './collect.js';
import { composeActing, createActingTeachers, observationSize } from './compose-acting.js';
import { createPolicyEvaluation, episodeMetrics, type PolicyEvaluation } from './evaluate-policy.js';
import { createTeacherGuidance, type TeacherGuidance } from './guidance.js';
import { createObservationMoments, type ObservationMoments } from './observation-moments.js';
import { createPolicyPlayer, type Player } from './policy-player.js';
import { estimateReinforcement } from './reinforcement-estimate.js';
import { reinforcementLoop } from './reinforcement-loop.js';
import { createRewardScale, type RewardScale } from './reward-scale.js';
import { loadPolicy } from './save-policy.js';
import { createTrainingEpisodes, type TrainingEpisodes } from './training-episodes.js';
import { createUpdateLog, type UpdateLog } from './update-log.js';

const rewardKeys = z.strictObject({
  weight: z.number().default(1).describe('Factor of this reward in the sum.'),
});

const options = z.strictObject({
  steps: z.int().positive().default(100_000).describe('Steps of the environment in all, over all copies.'),
  environments: z.int().positive().default(8).describe('Copies of the environment that are stepped together.'),
  horizon: z
    .int()
    .positive()
    .optional()
    .describe('Steps of each copy between two updates; by default what the agent asks for.'),
  evaluations: z
    .int()
    .positive()
    .default(20)
    .describe('Evaluations on the validation split over the run, the last one at its end.'),
  episodes: z.int().positive().default(20).describe('Episodes that an evaluation plays; the same ones each time.'),
  evaluateSampled: z
    .boolean()
    .default(false)
    .describe(
      'Evaluations draw discrete actions from the policy instead of taking the likeliest; always in the same way.',
    ),
  normalizeReward: z
    .boolean()
    .default(false)
    .describe('Divide rewards by the running deviation of their discounted sum, as the agent sees them.'),
  discount: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("What rewards are normalized and shaped with; by default the agent's own discount."),
  rewards: z
    .array(partReference('environment-reward', rewardKeys))
    .default([])
    .describe("Added to the environment's rewards, as the agent sees them."),
  from: z
    .string()
    .optional()
    .describe('A run, or the folder of a saved student, whose weights the student starts with.'),
  guidance: z
    .strictObject({
      share: z
        .number()
        .min(0)
        .max(1)
        .describe("Share of the manifest's losses against the teachers; the rest is the agent's own loss."),
    })
    .optional()
    .describe('Lets teachers guide the agent; not every agent can be.'),
});

export type ReinforcementOptions = z.output<typeof options>;

/**
 * Reinforcement learning: an agent trains the student on an environment. The student with the highest mean return over the episodes of
 * the validation split is the best one.
 */
export const reinforcement = definePart('trainer', {
  name: 'reinforcement',
  summary: 'An agent trains the student by acting in an environment; teachers may guide and reward it.',
  options,
  needs: { sections: ['environment', 'agent'] },
  create: composeReinforcement,
});

/** Everything a run is made of. */
export interface ReinforcementRun {
  context: TrainerContext;
  options: ReinforcementOptions;
  environment: Environment;
  student: Student;
  /** All weights of the student, the moments of observations among them. */
  weights: Record<string, tf.Variable>;
  agent: Agent;
  collector: Collector;
  episodes: TrainingEpisodes;
  /** Of a student that normalizes. */
  moments?: ObservationMoments;
  rewardScale?: RewardScale;
  rewards: WeightedEnvironmentReward[];
  teachers: Teacher[];
  log: UpdateLog;
  /** Whether the agent learns after episodes of all copies, and not after so many steps. */
  wholeEpisodes: boolean;
  /** Steps of each copy between updates; of whole episodes, how many make up a step of the log. */
  horizon: number;
  /** Environment steps that make up one step of the log. */
  stepSize: number;
  stepsPerEpoch: number;
  epochs: number;
  /** Plays the student; made on first use. */
  play(split: Split): Promise<Record<string, MetricValue>>;
}

/** Of agents that learn from whole episodes: how often the log looks up, in steps of each copy. */
const episodeHorizon = 64;

async function composeReinforcement(options: ReinforcementOptions, context: TrainerContext): Promise<Trainer> {
  const { manifest, scope, seeds, baseFolder } = context;
  refuseUnread(options, context);
  const { environment, student, network } = await composeActing(context, options.environments);
  if (options.evaluateSampled && environment.actionSpace.kind === 'box') {
    throw new InputError('trainer.evaluateSampled: actions of a box are played by their mode; leave it out');
  }
  const teachers = await createActingTeachers(context, environment);

  const size = observationSize(environment);
  const normalizes = setObservationMoments(student, {
    mean: new Float32Array(size),
    variance: new Float32Array(size).fill(1),
  });
  const moments = normalizes ? createObservationMoments(size) : undefined;
  const { trainable, frozen } = namedWeights(student.model);
  if (options.from !== undefined) {
    const { observations } = await loadPolicy(
      student,
      environment,
      studentFolder(resolve(baseFolder, options.from)),
      'trainer.from',
    );
    if (moments && observations) {
      moments.restart(
        observations,
        await frozen['normalize/moving_mean'].data(),
        await frozen['normalize/moving_variance'].data(),
      );
    }
  }

  let guided: TeacherGuidance | undefined;
  if (options.guidance)
    guided = await createTeacherGuidance(context, options.guidance.share, student, teachers, environment);
  const agentReference = manifest.agent!;
  const agent = await scope.create(agentReference, {
    network,
    guidance: guided?.guidance,
    stateSize: size,
    actions: { action: environment.actionSpace },
    scope,
    seeds: seeds.within('agent'),
    path: agentReference.path,
  });

  const discount = options.discount ?? discountOf(agentReference);
  const rewards: WeightedEnvironmentReward[] = [];
  for (const reference of options.rewards) {
    if (rewards.some(({ name }) => name === reference.use)) {
      throw new InputError(`${reference.path}: reward "${reference.use}" is listed twice`);
    }
    const reward = await scope.create(reference, {
      ...{ spaces: environment, count: environment.count, discount, teachers, scope, path: reference.path },
      seeds: seeds.within(`rewards/${reference.use}`),
    });
    rewards.push({ name: reference.use, weight: reference.keys.weight as number, reward });
  }

  const wholeEpisodes = options.horizon === undefined && agent.collects === 'episodes';
  const horizon = options.horizon ?? (typeof agent.collects === 'number' ? agent.collects : undefined);
  if (horizon === undefined && !wholeEpisodes) {
    throw new InputError(`${agentReference.path}: agent "${agentReference.use}" does not say how much it collects`, {
      hints: ['set trainer.horizon: steps of each copy between two updates'],
    });
  }
  const stepSize = environment.count * (horizon ?? episodeHorizon);
  const steps = Math.ceil(options.steps / stepSize);
  const stepsPerEpoch = Math.ceil(steps / options.evaluations);

  const episodes = createTrainingEpisodes(environment);
  const rewardScale = options.normalizeReward ? createRewardScale(environment.count, discount) : undefined;
  const log = createUpdateLog();
  scope.own(log);
  const collector = createCollector({
    ...{ environment, agent, wholeEpisodes, episodes, rewards, rewardScale, moments },
    reference: guided?.reference,
  });

  const run: ReinforcementRun = {
    ...{ context, options, environment, student, agent, collector, episodes, moments, rewardScale, rewards, teachers },
    ...{ log, wholeEpisodes, stepSize, stepsPerEpoch },
    weights: { ...trainable, ...frozen },
    horizon: horizon ?? episodeHorizon,
    epochs: Math.ceil(steps / stepsPerEpoch),
    play: createPlay(context, student, environment, options),
  };
  return {
    fingerprints: Object.fromEntries([
      ['environment', environment.identity],
      ...teachers.map((teacher) => [`teacher ${teacher.id}`, teacher.describe().fingerprint]),
    ]) as Record<string, string>,
    train: (training) => trainInLoop(reinforcementLoop(run, training), training),
    estimate: () => estimateReinforcement(run),
    async evaluate(folder, split) {
      await loadPolicy(student, environment, folder, 'evaluate');
      return run.play(split);
    },
  };
}

/** Sections that nothing here would read. */
function refuseUnread({ guidance }: ReinforcementOptions, { manifest }: TrainerContext): void {
  if (manifest.metrics.length > 0) {
    throw new InputError('metrics: trainer reinforcement measures returns, and reads none of these; leave them out');
  }
  if (manifest.cache) {
    throw new InputError('cache: no state is seen twice, so there is nothing to keep; leave it out');
  }
  if (manifest.losses.length > 0 && !guidance) {
    throw new InputError('losses: without trainer.guidance nothing reads them', {
      hints: ['trainer.guidance: { share: 0.5 }, or leave them out'],
    });
  }
}

/** The folder of a run's best student, or its last; a student's own folder stays what it is. */
function studentFolder(folder: string): string {
  const found = ['student/best', 'student/last', '.'].find((each) => existsSync(join(folder, each, 'model.json')));
  return join(folder, found ?? 'student/best');
}

/** γ of an agent, where one of its options is called so. */
function discountOf({ options }: PartReference<'agent'>): number {
  return typeof options.discount === 'number' ? options.discount : 0.99;
}

/** Plays the student as it is, in copies of the environment that are made when a split is first asked for. */
function createPlay(
  context: TrainerContext,
  student: Student,
  environment: Environment,
  { episodes: count, evaluateSampled }: ReinforcementOptions,
): ReinforcementRun['play'] {
  const random = evaluateSampled ? context.seeds.at('evaluation/actions', 0) : undefined;
  const start = random?.save();
  const evaluations = new Map<Split, PolicyEvaluation>();
  let player: Player | undefined;
  return async (split) => {
    if (!player) {
      player = createPolicyPlayer(student, environment, { count, random });
      context.scope.own(player);
    }
    const evaluation = evaluations.get(split) ?? (await createPolicyEvaluation(context, split, count));
    evaluations.set(split, evaluation);
    random?.load(start!);
    return episodeMetrics(await evaluation.play(player), environment);
  };
}
