import type { TrainingLoop } from '@retort/core';
import { createFeed, loadVariables, namedWeights, saveLayersModel, saveVariables } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { EvaluateSequences } from './sequence-evaluate.js';
import { allWeights, type SequenceRun, sequenceLearningRate } from './sequence-run.js';
import { loadSequenceState, saveSequenceState } from './sequence-state.js';
import type { RunSequenceStep } from './sequence-step.js';

/** How a run steps through both phases, evaluates and saves. */
export function sequenceLoop(run: SequenceRun, runStep: RunSequenceStep, evaluate: EvaluateSequences): TrainingLoop {
  const { context, dataset, options, phases, stepsPerEpoch, student, teacher } = run;
  const epochs = options.distillation.epochs + options.grpo.epochs;
  const feed = createFeed({ dataset, teachers: [], stepsPerEpoch }, epochs * stepsPerEpoch);
  const weights = { ...run.trainable, ...run.frozen };
  return {
    manifest: context.manifest,
    selection: options,
    epochs,
    stepsPerEpoch,
    images: dataset.sizes.train,
    about: {
      batchSize: dataset.batchSize,
      unit: 'prompts',
      parameters: student.parameters,
      classes: [],
      teachers: teacher ? [teacher.id] : [],
    },
    prepare: () => Promise.resolve(),
    async step(step) {
      if (step === phases[1].start) beginGrpo(run);
      const { batch } = await feed.take(step);
      await runStep(step, batch);
      return { images: batch.size };
    },
    learningRate: (step) => sequenceLearningRate(run, step),
    async readSteps() {
      for (const [i, { log }] of phases.entries()) {
        const values = await log.read();
        if (values) return { ...values, phase: i + 1 };
      }
      return undefined;
    },
    endEpoch: () => Promise.resolve(undefined),
    evaluate,
    asEvaluated: (body) => body(),
    readStudent: () => saveVariables(weights),
    writeStudent: (saved) => loadVariables(weights, saved, 'student'),
    saveStudent: (folder) => saveSequenceStudent(run, folder),
    save: () => saveSequenceState(run),
    load: (saved) => loadSequenceState(run, saved),
    drain: () => feed.drain(),
  };
}

/** Remembers how the student was, where it is to be kept near that. */
function beginGrpo({ student, reference }: SequenceRun): void {
  if (!reference) return;
  const [from, to] = [student, reference].map(({ model }) => allWeights(namedWeights(model)));
  tf.tidy(() => Object.entries(to).forEach(([key, variable]) => variable.assign(from[key])));
}

/** Writes the student with what a reader has to know of it: what its ids stand for. */
async function saveSequenceStudent({ student, sequences, context }: SequenceRun, folder: string): Promise<void> {
  const { model, offers, imports } = student;
  const { vocabulary, length, padToken, endToken } = sequences;
  await saveLayersModel(model, folder, {
    metadata: {
      classes: [],
      outputs: Object.keys(offers),
      input: `ids [${length}] of tokens`,
      ...{ vocabulary, padToken, endToken },
      ...(imports !== undefined && { imports }),
      run: context.manifest.name,
    },
  });
}
