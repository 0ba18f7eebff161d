import { resolve } from 'node:path';
import {
  batchesPerEpoch,
  createLossTerms,
  type Dataset,
  definePart,
  discrete,
  InputError,
  type PartReference,
  RunError,
  type Split,
  type Student,
  type Teacher,
  type Trainer,
  type TrainerContext,
  trainInLoop,
} from '@retort/core';
import {
  bindOptimizer,
  createStepLog,
  loadStudentWeights,
  loadVariables,
  saveVariables,
  trainableParameters,
} from '@retort/nn';
import { createSequenceEvaluation, type EvaluateSequences } from './sequence-evaluate.js';
import { estimateSequenceRun } from './sequence-estimate.js';
import { sequenceLoop } from './sequence-loop.js';
import { type SequenceOptions, sequenceOptions } from './sequence-options.js';
import type { SequencePhase, SequenceRun } from './sequence-run.js';
import { createSequenceSteps, phaseNames } from './sequence-step.js';
import { createWriter } from './sequence-writer.js';

/** Networks that go on with sequences: distillation token by token, then GRPO on answers that can be checked. */
export const sequence = definePart('trainer', {
  name: 'sequence',
  summary: 'Sequences of tokens: distillation on given and on own answers, then GRPO on what answers earn.',
  options: sequenceOptions,
  needs: { sections: ['dataset', 'losses'] },
  create: composeSequence,
});

async function composeSequence(options: SequenceOptions, context: TrainerContext): Promise<Trainer> {
  const { manifest, scope, seeds, baseFolder } = context;
  const { distillation, grpo } = options;
  if (distillation.epochs + grpo.epochs === 0) throw new InputError('trainer: both phases have no epochs');
  refuseUnread(context);
  const dataset = await scope.create(manifest.dataset!, {
    scope,
    seeds: seeds.within('dataset'),
    baseFolder,
    path: 'dataset',
  });
  const { sequences } = dataset;
  if (!sequences) {
    throw new InputError('dataset: trainer sequence goes on with sequences, and the data set has none', {
      hints: ['choose a data set of sequences, such as arithmetic'],
    });
  }
  const teacher = await teacherOf(context, dataset);
  const student = await studentOf(context, dataset);
  const own = { offers: student.offers };
  const provides = teacher?.describe().provides;
  const teachers = teacher && provides ? [{ id: teacher.id, provides }] : [];
  const terms = await createLossTerms(manifest.losses, own, teachers, scope, seeds, []);
  const hasTeacherTerms = terms.some(({ head }) => head !== undefined);
  if (distillation.epochs > 0 && terms.length === 0) {
    throw new InputError('losses: none of them can be computed without a teacher', {
      hints: ['list a task loss, such as sequence-cross-entropy, or a teacher'],
    });
  }
  if (distillation.ownAnswers > 0 && !hasTeacherTerms) {
    throw new InputError('trainer.distillation.ownAnswers: nobody judges what the student writes', {
      hints: ['list a teacher, and a loss that reads it, such as sequence-jsd'],
    });
  }
  if (grpo.epochs > 0 && grpo.kl > 0 && grpo.reference === 'teacher' && !teacher) {
    throw new InputError('trainer.grpo.reference: the run has no teacher', {
      hints: ['list one, or reference: start'],
    });
  }

  const { trainable, frozen } = trainableParameters(student, terms, teacher ? [teacher.id] : []);
  if (options.from !== undefined) {
    await loadStudentWeights(student, `${resolve(baseFolder, options.from)}/student/last`, 'trainer.from');
  }
  const keepsNearStart = grpo.epochs > 0 && grpo.kl > 0 && grpo.reference === 'start';
  const reference = keepsNearStart ? await studentOf(context, dataset) : undefined;

  const space = discrete(sequences.vocabulary.length);
  const categorical: PartReference<'distribution'> = {
    ...{ kind: 'distribution', use: 'categorical', options: {}, keys: {} },
    path: 'trainer',
  };
  const stepsPerEpoch = batchesPerEpoch(dataset, 'train');
  const names = [phaseNames.distillation(terms), phaseNames.grpo(grpo.kl)];
  const phases: SequencePhase[] = [];
  for (const [i, { epochs, optimizer: rule, schedule }] of [distillation, grpo].entries()) {
    const made = await scope.create(rule, undefined);
    const optimizer = bindOptimizer(made, trainable);
    scope.own(optimizer);
    const { watched, told } = names[i];
    const log = createStepLog(
      watched.map((name) => `loss "${name.slice('loss/'.length)}"`),
      [...watched, ...told],
    );
    scope.own(log);
    phases.push({
      start: i === 0 ? 0 : distillation.epochs * stepsPerEpoch,
      steps: epochs * stepsPerEpoch,
      optimizer,
      // A phase that is left out has no warm-up to fit in.
      schedule: epochs === 0 ? () => 0 : await scope.create(schedule, { epochs, stepsPerEpoch, path: schedule.path }),
      learningRate: made.learningRate,
      log,
    });
  }

  const run: SequenceRun = {
    ...{ context, options, dataset, sequences, student, teacher, terms, stepsPerEpoch, reference, seeds },
    phases: phases as SequenceRun['phases'],
    writer: createWriter(student, sequences, await scope.create(categorical, { space, path: 'trainer' })),
    objective: await scope.create(grpo.objective, undefined),
    ...{ trainable, frozen },
  };
  const runStep = createSequenceSteps(run);
  const evaluate = createSequenceEvaluation(run);
  return {
    fingerprints: {
      dataset: dataset.fingerprint,
      ...(teacher && { [`teacher ${teacher.id}`]: teacher.describe().fingerprint }),
    },
    train: (training) => trainInLoop(sequenceLoop(run, runStep, evaluate), training),
    estimate: () => estimateSequenceRun(run, runStep),
    evaluate: (folder, split) => evaluateSaved(run, evaluate, folder, split),
  };
}

/** Sections that other trainers read. */
function refuseUnread({ manifest }: TrainerContext): void {
  if (manifest.metrics.length > 0) {
    throw new InputError('metrics: trainer sequence has metrics of its own', {
      hints: ['leave the section out; every evaluation tells exact-match, reward, token-accuracy, nll, teacher-kl'],
    });
  }
  if (manifest.cache) {
    throw new InputError("cache: the teacher is asked about the student's own answers, which are never the same", {
      hints: ['leave the section out'],
    });
  }
}

/** The student, or another one of its kind. */
async function studentOf({ manifest, scope, seeds, baseFolder }: TrainerContext, dataset: Dataset): Promise<Student> {
  const { classes, imageShape, normalization, sequences } = dataset;
  const student = await scope.create(manifest.student, {
    ...{ classes, imageShape, normalization, sequences },
    seeds: seeds.within('student'),
    baseFolder,
    path: 'student',
  });
  scope.own({ dispose: () => void student.model.dispose() });
  checkSays(student.offers.tokenLogits, 'the student', dataset, 'student');
  return student;
}

/** The one teacher; undefined for a run without. */
async function teacherOf(
  { manifest, scope, baseFolder }: TrainerContext,
  dataset: Dataset,
): Promise<Teacher | undefined> {
  const [reference, ...others] = manifest.teachers;
  if (others.length > 0) {
    throw new InputError(`teachers: ${manifest.teachers.length} are listed, and sequence distills one`, {
      hints: ['keep one'],
    });
  }
  if (!reference) return undefined;
  const { classes, imageShape } = dataset;
  const id = reference.keys.id as string;
  const path = `${reference.path} (${id})`;
  const teacher = await scope.create(reference, { id, classes, imageShape, scope, baseFolder, path });
  checkSays(teacher.describe().provides.tokenLogits, `teacher "${id}"`, dataset, path);
  return teacher;
}

/** @throws InputError unless logits are over the data set's tokens, after each of a row */
function checkSays(shape: number[] | undefined, whose: string, { sequences }: Dataset, where: string): void {
  const expected = [sequences!.length, sequences!.vocabulary.length];
  if (shape?.join() === expected.join()) return;
  throw new InputError(
    `${whose} gives ${shape ? `tokenLogits [B, ${shape.join(', ')}]` : 'no tokenLogits'}, ` +
      `the data set's sequences need [B, ${expected.join(', ')}]`,
    { hints: ['take a network that was made for this data set, with the same digits and operations'], where },
  );
}

async function evaluateSaved(
  run: SequenceRun,
  evaluate: EvaluateSequences,
  folder: string,
  split: Split,
): ReturnType<EvaluateSequences> {
  const all = { ...run.trainable, ...run.frozen };
  const before = await saveVariables(all);
  await loadStudentWeights(run.student, folder, 'student');
  const values = await evaluate(split);
  loadVariables(all, before, 'student');
  if (Object.keys(values).length === 0) throw new RunError(`the data set has no ${split} split`);
  return values;
}
