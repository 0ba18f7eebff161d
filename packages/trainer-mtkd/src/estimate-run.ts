import { outputTensors, type RunEstimate, stateBytes } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { createFeed } from '@retort/nn';
import { learningRateAt, type MtkdRun } from './mtkd-run.js';
import { loadState, saveState } from './run-state.js';

/** Times a few steps, and puts everything back. */
export async function estimateRun(run: MtkdRun): Promise<RunEstimate> {
  const { state, stepsPerEpoch, student, options, dataset } = run;
  const before = await saveState(run);
  const feed = createFeed(run, Math.min(stepsPerEpoch, 6));
  const times: number[] = [];
  let memoryBytes = 0;
  for (let step = 0; step < Math.min(stepsPerEpoch, 6); step++) {
    const began = performance.now();
    const fed = await feed.take(step);
    const experience = state.runStep({ ...fed, update: step + 1, learningRate: learningRateAt(run, step) });
    memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss);
    await (Object.values(state.log.variables)[0] as tf.Variable).data();
    tf.dispose([...fed.teachers.flatMap(outputTensors), experience] as tf.TensorContainer);
    times.push((performance.now() - began) / 1000);
  }
  await feed.drain();
  await loadState(run, before);
  const evaluationSteps = Math.ceil(dataset.sizes.validation / dataset.batchSize) / options.evaluateEvery;
  // The first steps warm caches up. A forward pass is about a third of a step.
  const perStep = Math.min(...times);
  return {
    parameters: student.parameters,
    macs: student.macs,
    checkpointBytes: stateBytes(before),
    memoryBytes,
    seconds:
      options.epochs * (stepsPerEpoch + evaluationSteps / 3) * perStep +
      (Math.ceil(dataset.sizes.test / dataset.batchSize) * 2 * perStep) / 3,
    stepsPerEpoch,
    epochs: options.epochs,
  };
}
