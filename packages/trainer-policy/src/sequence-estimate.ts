import { type RunEstimate, stateBytes } from '@retort/core';
import { createFeed } from '@retort/nn';
import type { SequenceRun } from './sequence-run.js';
import { loadSequenceState, saveSequenceState } from './sequence-state.js';
import type { RunSequenceStep } from './sequence-step.js';

/** Steps that are timed in each phase. */
const timed = 5;

/** Times a few steps of each phase, and puts everything back. */
export async function estimateSequenceRun(run: SequenceRun, runStep: RunSequenceStep): Promise<RunEstimate> {
  const { dataset, options, phases, stepsPerEpoch, student, sequences } = run;
  const before = await saveSequenceState(run);
  const feed = createFeed({ dataset, teachers: [], stepsPerEpoch }, Infinity);
  const perStep = [0, 0];
  let memoryBytes = 0;
  for (const [i, { start, steps, log }] of phases.entries()) {
    const times: number[] = [];
    for (let step = start; step < start + Math.min(steps, timed); step++) {
      const began = performance.now();
      await runStep(step, (await feed.take(step)).batch);
      await log.variables.sums.data();
      memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss);
      times.push((performance.now() - began) / 1000);
    }
    // The first steps warm caches up.
    if (times.length > 0) perStep[i] = Math.min(...times);
  }
  await feed.drain();
  loadSequenceState(run, before);
  const epochs = options.distillation.epochs + options.grpo.epochs;
  const batches = (samples: number) => Math.ceil(samples / dataset.batchSize);
  // Two answers of so many forward passes each, a third of a step of distillation.
  const evaluations =
    (epochs / options.evaluateEvery + 2) * batches(dataset.sizes.validation) + 2 * batches(dataset.sizes.test);
  const perEvaluation = (2 * sequences.answerLength * (perStep[0] || perStep[1] / 8)) / 3;
  return {
    parameters: student.parameters,
    macs: student.macs,
    checkpointBytes: stateBytes(before),
    memoryBytes,
    seconds: phases[0].steps * perStep[0] + phases[1].steps * perStep[1] + evaluations * perEvaluation,
    stepsPerEpoch,
    epochs,
  };
}
