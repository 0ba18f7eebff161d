import { definePlugin } from '@retort/core';
import { adamw } from './adamw.js';
import { schedules } from './schedule.js';
import { sgd } from './sgd.js';

export { adamw, createAdamw } from './adamw.js';
export { batchNorm } from './batch-norm.js';
export type { BatchNormVariables } from './batch-norm.js';
export { compile, endPiece } from './compile.js';
export type { CompileOptions, TensorMap } from './compile.js';
export { evaluationPass } from './evaluation-pass.js';
export { createFeed } from './feed.js';
export type { Fed, Feed } from './feed.js';
export { groupedConv2d } from './grouped-conv2d.js';
export type { GroupedConv2dOptions } from './grouped-conv2d.js';
export { groupedConv2dLayer, registerGroupedConv2dLayer } from './grouped-conv2d-layer.js';
export type { GroupedConv2dLayerConfig } from './grouped-conv2d-layer.js';
export { batchTensors, loadVariables, saveVariables, toHost, toTensor } from './host-tensors.js';
export { loadLayersModel, modelWithTaps, saveLayersModel } from './layers-model-files.js';
export type { LoadedLayersModel } from './layers-model-files.js';
export { metricBatch } from './metric-batch.js';
export { namedWeights } from './named-weights.js';
export type { NamedWeights } from './named-weights.js';
export { forward, networkOutput, subNetwork } from './network-forward.js';
export type { NetworkInputs } from './network-forward.js';
export { setObservationMoments } from './observation-moments.js';
export { bindOptimizer, gradientsOf, gradientsWithAux } from './optimizer.js';
export type { BoundOptimizer, Optimizer, OptimizerInput, OptimizerUpdate } from './optimizer.js';
export { resizeFeatureMap } from './resize.js';
export { constant, cosine, multiStep, oneCycle, schedules } from './schedule.js';
export type { Schedule, ScheduleContext } from './schedule.js';
export { createSgd, sgd } from './sgd.js';
export { createStepLog } from './step-log.js';
export type { StepLog, StepRecord } from './step-log.js';
export { stopGradient, untaped } from './stop-gradient.js';
export { loadStudentWeights, saveStudent } from './student-weights.js';
export { fitLosses, teacherPass } from './teacher-pass.js';
export { batchArguments, batchFrom, group, mapValues, ungroup } from './tensor-groups.js';
export { trainableParameters } from './trainable-parameters.js';
export { unitRows } from './unit-rows.js';

/** Optimizers and schedules. */
export const plugin = definePlugin({
  name: '@retort/nn',
  register(registry) {
    registry.add(sgd).add(adamw);
    for (const schedule of schedules) registry.add(schedule);
  },
});
