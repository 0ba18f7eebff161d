export { z } from 'zod';
export { box, discrete, simplex } from './agent.js';
export type {
  ActionSpace,
  ActionTensors,
  Agent,
  AgentContext,
  AgentNetwork,
  Decision,
  Experience,
  Guidance,
  UpdateReport,
} from './agent.js';
export { backendPreference, coreBackends, startBackend } from './backend.js';
export type { ImportModule, StartedBackend } from './backend.js';
export type { Batch, BatchAddress, Split } from './batch.js';
export { Checkpoints, stateBytes } from './checkpoint.js';
export { batchesPerEpoch } from './dataset.js';
export type { Dataset, DatasetContext, DatasetSequences, DatasetText } from './dataset.js';
export { observationSpace } from './environment.js';
export type {
  Environment,
  EnvironmentContext,
  EnvironmentSpaces,
  EnvironmentStep,
  EnvironmentTask,
  ObservationSpace,
  Picture,
} from './environment.js';
export { InputError, messageOf, RetortError, RunError } from './errors.js';
export type { ErrorDetails } from './errors.js';
export { isLogged } from './events.js';
export type { Emit, Position, RunEvent } from './events.js';
export { readInputFile, sha256, writeWhole } from './files.js';
export { decodeFloat16, encodeFloat16 } from './float16.js';
export { isHostTensor } from './host-tensor.js';
export type { HostTensor, Stateful, StateTree } from './host-tensor.js';
export type { Loss, LossContext, LossValue } from './loss.js';
export { createLossTerms } from './loss-terms.js';
export type { LossTerm } from './loss-terms.js';
export { loadPlugins } from './load-plugins.js';
export type { ResolvedManifest } from './manifest.js';
export { manifestJsonSchema } from './manifest-json-schema.js';
export type { Metric, MetricBatch, MetricContext, MetricValue } from './metric.js';
export { nearestHint } from './nearest-name.js';
export { outputNamed, outputTensors } from './network-output.js';
export type { BatchTensors, NetworkOutput, OutputShapes } from './network-output.js';
export { describeOptions } from './part-options.js';
export type { OptionDescription } from './part-options.js';
export { isReference, partReference } from './part-reference.js';
export type { PartReference } from './part-reference.js';
export type { Distribution, DistributionContext, NoiseShapes, Objective, ObjectiveInput } from './policy.js';
export { defineLoss, definePart, definePlugin, Registry, RunScope } from './registry.js';
export type { Backend, BackendStart, Needs, Part, PartDefinition, PartKind, PartKinds, Plugin } from './registry.js';
export { resolveManifest, resolvePart, writtenManifest } from './resolve-manifest.js';
export { composeFromRun, composeRun, createRegistry, loadManifest, resume, run } from './run.js';
export type { ComposedRun, ComposeOptions, RunOptions, RunOutcome } from './run.js';
export { checkSelection, metricsOf } from './run-metrics.js';
export type { CreateMetrics } from './run-metrics.js';
export { readLock, readLog, RunFolder } from './run-folder.js';
export type { LoggedEvent } from './run-folder.js';
export { decodeSafetensors, encodeSafetensors } from './safetensors.js';
export { Random, Seeds } from './seeds.js';
export type { Student, StudentContext } from './student.js';
export type { CacheContext, Teacher, TeacherContext, TeacherDescription } from './teacher.js';
export type { Tokenizer, TokenizerContext } from './tokenizer.js';
export type { RunEstimate, Trainer, TrainerContext, TrainingOptions, TrainingResult } from './trainer.js';
export { selectionOptions, trainInLoop } from './training-loop.js';
export type { TrainingLoop } from './training-loop.js';
export type {
  DistillationView,
  Head,
  Reward,
  RewardContext,
  StepInputs,
  StepTools,
  TeacherWeights,
  TrialLosses,
  Weighting,
  WeightingContext,
} from './weighting.js';
