import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  createLossTerms,
  definePart,
  type Environment,
  InputError,
  type LossTerm,
  type MetricValue,
  type OutputShapes,
  partReference,
  sha256,
  type Split,
  type Student,
  type Teacher,
  type Trainer,
  type TrainerContext,
  trainInLoop,
  z,
} from '@retort/core';
import {
  bindOptimizer,
  createStepLog,
  type Schedule,
  setObservationMoments,
  type StepLog,
  trainableParameters,
} from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { actionNames, actionOutput, composeActing, createActingTeachers, observationSize } from './compose-acting.js';
import { createObservationMoments, type ObservationMoments } from './observation-moments.js';
import { distillationLoop, estimateDistillation, stepsPerLog } from './policy-distillation-loop.js';
import { createRememberingPlayer, type RememberingPlayer } from './policy-distillation-memory.js';
import { createLabeledReplay, type LabeledReplay } from './policy-distillation-replay.js';
import { createPolicyScores, type PolicyScores } from './policy-distillation-scores.js';
import { createDescent, createMetaDescent, loggedNames, type MetaDescent } from './policy-distillation-step.js';
import {
  actionsOf,
  canAct,
  checkTeacherOfEachTask,
  type Teaching,
  teachersOfOneTask,
  teachersOfTasks,
} from './policy-distillation-teaching.js';
import { createPolicyPlayer, type Player } from './policy-player.js';
import { checkRecording, readRecording, type Recording } from './recording.js';
import { loadPolicy } from './save-policy.js';
import { createTrainingEpisodes, type TrainingEpisodes } from './training-episodes.js';

const options = z.strictObject({
  steps: z.int().positive().default(50_000).describe('Steps of the environment in all, over all copies.'),
  environments: z.int().positive().default(8).describe('Copies of the environment that are stepped together.'),
  actor: z
    .enum(['student', 'teacher', 'mixed'])
    .optional()
    .describe(
      'Whose actions lead to the states that are learned from; mixed: the teacher takes a share of them that falls to none (DAgger). ' +
        'Default student.',
    ),
  sampled: z
    .boolean()
    .default(true)
    .describe('Discrete actions are drawn from softmax(logits) while collecting; false: the best ones are taken.'),
  mixing: z
    .number()
    .positive()
    .max(1)
    .default(0.5)
    .describe("Of a mixed actor: part of the run over which the teacher's share falls from 1 to 0."),
  recording: z
    .string()
    .optional()
    .describe('A recording of play that is learned from; nobody acts then but in evaluations.'),
  capacity: z.int().positive().default(20_000).describe('Labeled states that are kept; the oldest make room.'),
  batchSize: z.int().positive().default(128).describe('States of an update.'),
  updates: z
    .int()
    .positive()
    .default(1)
    .describe('Updates after each step of all copies; of recurrent students after each `unroll` steps.'),
  unroll: z
    .int()
    .positive()
    .default(16)
    .describe(
      'Of recurrent students: steps that are learned from together, the last ones of all copies; no others are kept.',
    ),
  optimizer: partReference('optimizer').prefault('adamw'),
  schedule: partReference('schedule').prefault('constant'),
  meta: z
    .strictObject({
      use: z.enum(['reptile', 'fomaml']).describe('Nichol et al. 2018, or the first-order form of Finn et al. 2017.'),
      innerSteps: z.int().positive().default(4).describe("Steps on one teacher's batches."),
      innerRate: z.number().positive().default(0.01).describe('Their learning rate.'),
      outerRate: z
        .number()
        .positive()
        .default(0.5)
        .describe('reptile: the part of the way to where they led; fomaml: learning rate. The schedule multiplies it.'),
    })
    .optional()
    .describe('Meta distillation: an outer loop over teachers, or over tasks. The optimizer is then not used.'),
  evaluations: z
    .int()
    .positive()
    .default(20)
    .describe('Evaluations on the validation split over the run, the last one at its end.'),
  episodes: z.int().positive().default(20).describe('Episodes that an evaluation plays; the same ones each time.'),
  select: z
    .enum(['return', 'score'])
    .optional()
    .describe(
      "What the best student is best at; score: the return in parts of the teachers'. Default return, of several tasks score.",
    ),
});

type PolicyDistillationOptions = z.output<typeof options>;

/** A student learns from teachers on states of an environment (Rusu et al. 2015; Czarnecki et al. 2019 for who acts). */
export const policyDistillation = definePart('trainer', {
  name: 'policy-distillation',
  summary: 'The student learns policies and values from teachers, on states of an environment or of a recording.',
  options,
  needs: { sections: ['environment', 'losses'] },
  create: composeDistillation,
});

/** Everything a run is made of. */
export interface DistillationRun {
  context: TrainerContext;
  options: PolicyDistillationOptions;
  environment: Environment;
  student: Student;
  teachers: Teacher[];
  teaching: Teaching;
  /** Outputs kept of each source. */
  wanted: string[][];
  terms: LossTerm[];
  /** Whether states have labels: recorded actions, or the teachers' best. */
  labeled: boolean;
  recording?: Recording;
  replay: LabeledReplay;
  /** The student while it collects. */
  player: Player;
  /** The same, where it is recurrent. */
  remembering?: RememberingPlayer;
  episodes: TrainingEpisodes;
  moments?: ObservationMoments;
  scores: PolicyScores;
  log: StepLog;
  /** All that a checkpoint holds of networks and losses. */
  weights: Record<string, tf.Variable>;
  optimizer: ReturnType<typeof bindOptimizer>;
  learningRate: number;
  schedule: Schedule;
  descend: ReturnType<typeof createDescent>;
  meta?: MetaDescent;
  select: 'return' | 'score';
  /** Steps of all copies that make up one step of the log; what a recurrent student is unrolled over. */
  stepsPerLog: number;
  /** The same in environment steps. */
  stepSize: number;
  stepsPerEpoch: number;
  epochs: number;
  progress: { vectorSteps: number; updates: number };
}

async function composeDistillation(options: PolicyDistillationOptions, context: TrainerContext): Promise<Trainer> {
  const { manifest, scope, seeds, baseFolder } = context;
  refuseUnread(options, context);
  const { environment, student } = await composeActing(context, options.environments);
  const remembers = 'memory' in student.offers;
  if (remembers && (options.recording !== undefined || options.meta)) {
    const of = options.meta ? 'trainer.meta' : 'trainer.recording';
    throw new InputError(`${of}: "${manifest.student.use}" remembers, and states are drawn in any order there`, {
      hints: [`take policy-mlp or policy-cnn, or leave ${of} out`],
    });
  }
  const { tasks, observationSpace, actionSpace } = environment;
  for (const name of ['environments', 'episodes'] as const) {
    if (tasks && options[name] < tasks.length) {
      throw new InputError(`trainer.${name}: ${options[name]} for ${tasks.length} tasks`, {
        hints: [`take ${tasks.length} or more, best a multiple`],
      });
    }
  }
  const recordingPath = options.recording === undefined ? undefined : resolve(baseFolder, options.recording);
  const recording = recordingPath === undefined ? undefined : await readRecording(recordingPath, 'trainer.recording');
  if (recording) checkRecording(recording, environment, `trainer.recording: ${options.recording}`);

  const severalTasks = manifest.teachers.length > 0 ? tasks : undefined;
  if (severalTasks) checkTeacherOfEachTask(manifest.teachers.length, severalTasks, environment.identity);
  const teachers = await createActingTeachers(context, severalTasks ?? environment);
  const asked = severalTasks
    ? teachersOfTasks(teachers, severalTasks, environment)
    : teachersOfOneTask(teachers, observationSpace.shape);
  const recorded = recording?.outputs;
  const teaching: Teaching = recorded
    ? { ...asked, sources: [{ id: 'recording', provides: shapesOf(recorded) }] }
    : asked;
  const sources = teaching.sources;
  const terms = await createLossTerms(manifest.losses, student, sources, scope, seeds, actionNames(actionSpace));
  checkTerms(terms, context, options);
  const wanted = wantedOutputs(context, teaching, actionOutput(actionSpace));
  if (options.actor !== undefined && options.actor !== 'student' && !canAct(asked, environment)) {
    throw new InputError(`trainer.actor: ${options.actor}: not every teacher says what to do`, {
      hints: [`teachers that act give "${actionOutput(actionSpace)}"; actor: student needs none that do`],
    });
  }
  if (options.meta && (tasks?.length ?? sources.length) < 2) {
    throw new InputError(
      'trainer.meta: the outer loop goes over teachers, or over the tasks of multi-task, and there is one',
      {
        hints: ['list another teacher, or leave trainer.meta out'],
      },
    );
  }

  const size = observationSize(environment);
  const normalizes = setObservationMoments(student, {
    mean: new Float32Array(size),
    variance: new Float32Array(size).fill(1),
  });
  const { trainable, frozen } = trainableParameters(
    student,
    terms,
    sources.map(({ id }) => id),
  );
  const made = await scope.create(options.optimizer, undefined);
  const optimizer = bindOptimizer(made, options.meta ? {} : trainable);
  scope.own(optimizer);
  const discrete = actionSpace.kind === 'discrete';
  const names = loggedNames(terms, wanted, discrete);
  const log = createStepLog(
    names.losses.map((name) => `loss "${name.slice('loss/'.length)}"`),
    [...names.losses, ...names.others],
  );
  scope.own(log);

  const perLog = remembers ? options.unroll : stepsPerLog;
  const stepSize = environment.count * perLog;
  const steps = Math.ceil(options.steps / stepSize);
  const stepsPerEpoch = Math.ceil(steps / options.evaluations);
  const epochs = Math.ceil(steps / stepsPerEpoch);
  const schedule = await scope.create(options.schedule, { epochs, stepsPerEpoch, path: options.schedule.path });

  const copies = recording?.copies ?? environment.count;
  const capacity = recording ? recording.states.shape[0] : remembers ? stepSize : options.capacity;
  if (capacity < copies) {
    throw new InputError(`trainer.capacity: ${capacity} states for ${copies} copies`, {
      hints: [`keep ${copies} or more`],
    });
  }
  if (!recording && !remembers && capacity - (capacity % copies) < options.batchSize) {
    throw new InputError(`trainer.capacity: ${capacity} states never make up a batch of ${options.batchSize}`, {
      hints: ['raise trainer.capacity, or lower trainer.batchSize'],
    });
  }
  const labeled = discrete && (recording !== undefined || canAct(teaching, environment));
  const replay = createLabeledReplay(capacity, copies, {
    state: observationSpace.shape,
    ...Object.fromEntries(
      wanted.flatMap((each, m) => each.map((name) => [`${m}/${name}`, sources[m].provides[name]] as const)),
    ),
    ...(labeled && { label: [] }),
    ...(remembers && { keep: [1] }),
  });
  const random = options.sampled && discrete ? seeds.stream('distillation/student') : undefined;
  const remembering = remembers ? createRememberingPlayer(student, environment, random) : undefined;
  const player = remembering ?? createPolicyPlayer(student, environment, { count: environment.count, random });
  scope.own(player);
  const judged = createPolicyPlayer(student, environment, { count: options.episodes });
  scope.own(judged);
  const acting = asked.sources.map(() => [actionOutput(actionSpace)]);
  const step = {
    ...{ student, terms, sources: wanted, trainable, frozen, log, discrete },
    verifyReplay: manifest.run.verifyReplay,
  };
  const meta = options.meta ? createMetaDescent(step, options.meta) : undefined;
  if (meta) scope.own(meta);

  const run: DistillationRun = {
    ...{ context, options, environment, student, teachers, teaching, wanted, terms, recording, replay, player, log },
    ...(remembering && { remembering }),
    ...{ labeled, stepsPerLog: perLog, optimizer, schedule, stepSize, stepsPerEpoch, epochs },
    episodes: createTrainingEpisodes(environment),
    ...(normalizes && { moments: createObservationMoments(size) }),
    scores: createPolicyScores(context, options.episodes, {
      student: judged,
      ...(canAct(asked, environment) && {
        teachers: {
          act: async (observations: Float32Array) =>
            actionsOf(await asked.ask(observations.slice(), acting), acting.length, actionSpace),
          forget: () => undefined,
        },
      }),
    }),
    weights: { ...trainable, ...frozen },
    learningRate: options.meta?.outerRate ?? made.learningRate,
    descend: createDescent(step, optimizer),
    ...(meta && { meta }),
    select: options.select ?? (tasks && canAct(asked, environment) ? 'score' : 'return'),
    progress: { vectorSteps: 0, updates: 0 },
  };
  if (run.select === 'score' && !canAct(asked, environment)) {
    throw new InputError('trainer.select: score: there is no teacher that could act', { hints: ['select: return'] });
  }
  return {
    fingerprints: Object.fromEntries([
      ['environment', environment.identity],
      ...teachers.map((teacher) => [`teacher ${teacher.id}`, teacher.describe().fingerprint]),
      ...(recordingPath === undefined ? [] : [['recording', sha256(readFileSync(recordingPath))]]),
    ]) as Record<string, string>,
    train: (training) => trainInLoop(distillationLoop(run), training),
    estimate: () => estimateDistillation(run),
    async evaluate(folder: string, split: Split): Promise<Record<string, MetricValue>> {
      await loadPolicy(student, environment, folder, 'evaluate');
      return run.scores.play(split);
    },
  };
}

function refuseUnread({ recording, actor }: PolicyDistillationOptions, { manifest }: TrainerContext): void {
  if (manifest.metrics.length > 0) {
    throw new InputError(
      'metrics: trainer policy-distillation measures returns, and reads none of these; leave them out',
    );
  }
  if (manifest.cache) {
    throw new InputError('cache: labeled states are kept anyhow, and no other run sees the same ones; leave it out');
  }
  if (recording !== undefined && actor !== undefined) {
    throw new InputError(`trainer.actor: ${actor}: with trainer.recording nobody acts; leave one of them out`);
  }
}

function checkTerms(
  terms: readonly LossTerm[],
  { manifest, scope }: TrainerContext,
  { recording }: PolicyDistillationOptions,
): void {
  const ofTeachers = manifest.losses.filter((reference) => scope.part(reference).needs?.teacher?.length);
  if (terms.length < manifest.losses.length) {
    throw new InputError(`${ofTeachers[0].path}: "${ofTeachers[0].use}" reads a teacher, and there is none`, {
      hints: [
        recording === undefined
          ? 'teachers: [{ id: large, use: run, path: runs/NAME }]'
          : 'list teachers, record again with their outputs, or take cross-entropy: it reads the recorded actions',
      ],
    });
  }
  for (const [i, reference] of manifest.losses.entries()) {
    if (terms[i].losses.some(({ loss }) => loss.fit)) {
      throw new InputError(
        `${reference.path}: "${reference.use}" learns something from a data set first, and there is none`,
      );
    }
    if (reference.keys.weightedBy !== undefined) {
      throw new InputError(`${reference.path}.weightedBy: teachers of policies count alike; leave it out`);
    }
  }
}

/** Outputs that losses read of each source, and the one that actions are read off. */
function wantedOutputs({ manifest, scope }: TrainerContext, { sources }: Teaching, action: string): string[][] {
  return sources.map(({ id, provides }) => {
    const names = manifest.losses.flatMap((reference) => {
      const given = reference.keys.teacher as string | Record<string, string> | undefined;
      const named = typeof given === 'object' ? given[id] : given;
      const needs = scope.part(reference).needs?.teacher ?? [];
      return named === undefined || needs.length === 0 ? needs : [named];
    });
    return [...new Set([...names, ...(action in provides ? [action] : [])])];
  });
}

function shapesOf(outputs: NonNullable<Recording['outputs']>): OutputShapes {
  return Object.fromEntries(Object.entries(outputs).map(([name, { shape }]) => [name, shape.slice(1)]));
}
