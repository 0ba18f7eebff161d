import { outputTensors, type RunEstimate, stateBytes } from '@retort/core';
import { createFeed } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { KdrlRun } from './kdrl-run.js';
import type { RunStep } from './kdrl-step.js';
import { loadState, saveState } from './run-state.js';

/** Steps that are timed in each stage. */
const timed = 5;

/** Times a few steps of each stage, and puts everything back. */
export async function estimateRun(run: KdrlRun, runStep: RunStep): Promise<RunEstimate> {
  const { dataset, options, stages, stepsPerEpoch, student, teacher } = run;
  const before = await saveState(run);
  const feed = createFeed({ dataset, teachers: teacher ? [teacher] : [], stepsPerEpoch }, Infinity);
  // Any cluster will do for the time it takes.
  const madeUp = run.centers && run.centers.assignment.size === 0 ? run.centers.assignment : undefined;
  const perStep = [0, 0];
  let memoryBytes = 0;
  for (const [i, { start, steps }] of stages.entries()) {
    const times: number[] = [];
    for (let step = start; step < start + Math.min(steps, timed); step++) {
      const began = performance.now();
      const fed = await feed.take(step);
      for (const number of fed.batch.index) madeUp?.set(number, 0);
      runStep(step, fed.batch, fed.teachers);
      memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss);
      await stages[i].log.variables.sums.data();
      tf.dispose(fed.teachers.flatMap(outputTensors));
      times.push((performance.now() - began) / 1000);
    }
    // The first steps warm caches up.
    if (times.length > 0) perStep[i] = Math.min(...times);
  }
  await feed.drain();
  madeUp?.clear();
  loadState(run, before);
  const epochs = options.stage1.epochs + options.stage2.epochs;
  const batches = (samples: number) => Math.ceil(samples / dataset.batchSize);
  const slower = Math.max(...perStep);
  // A forward pass is about a third of a step.
  const forwards =
    (epochs / options.evaluateEvery) * batches(dataset.sizes.validation) + 2 * batches(dataset.sizes.test);
  return {
    parameters: student.parameters,
    macs: student.macs,
    checkpointBytes: stateBytes(before),
    memoryBytes,
    seconds: stages[0].steps * perStep[0] + stages[1].steps * perStep[1] + (forwards * slower) / 3,
    stepsPerEpoch,
    epochs,
  };
}
