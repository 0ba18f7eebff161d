import { type HostTensor, type RunEstimate, stateBytes, type StateTree, type TrainingLoop } from '@retort/core';
import { endPiece, loadVariables, saveVariables, setObservationMoments } from '@retort/nn';
import { actionNames, actionSize } from './compose-acting.js';
import type { DistillationRun } from './policy-distillation.js';
import { actionsOf } from './policy-distillation-teaching.js';
import { savePolicy } from './save-policy.js';
import { stepEnvironment } from './step-environment.js';

/** Steps of all copies that make up one step of the log, of students without a memory. */
export const stepsPerLog = 16;

/** How a run collects, learns, evaluates and saves. A step of the log is `stepSize` environment steps. */
export function distillationLoop(run: DistillationRun): TrainingLoop {
  const { context, environment, student, episodes, log, stepSize } = run;
  return {
    manifest: context.manifest,
    selection: { evaluateEvery: 1, select: run.select, selectBy: 'highest' },
    epochs: run.epochs,
    stepsPerEpoch: run.stepsPerEpoch,
    images: run.stepsPerEpoch * stepSize,
    about: {
      batchSize: stepSize,
      unit: 'environment steps',
      parameters: student.parameters,
      classes: actionNames(environment.actionSpace),
      teachers: run.teachers.map(({ id }) => id),
    },
    prepare: () => begin(run),
    async step(step) {
      await collectAndDistill(run, step);
      return { images: stepSize };
    },
    learningRate: (step) => run.learningRate * run.schedule(step),
    async readSteps() {
      const values = await log.read();
      const played = run.recording ? {} : episodes.read();
      return values && { ...played, ...values };
    },
    endEpoch: async () => undefined,
    evaluate: (split) => run.scores.play(split),
    asEvaluated: (body) => body(),
    readStudent: () => saveVariables(run.weights),
    writeStudent: (weights) => loadVariables(run.weights, weights, 'student'),
    saveStudent: (folder) =>
      savePolicy(student, environment, { run: context.manifest.name, observations: run.moments?.count }, folder),
    save: () => saveDistillation(run),
    load: (state) => loadDistillation(run, state),
    drain: async () => {},
  };
}

/** Starts the environment, or labels the recording. */
async function begin(run: DistillationRun): Promise<void> {
  const { environment, episodes, recording, moments, student } = run;
  if (!recording) {
    environment.reset();
    episodes.restart();
    run.player.forget();
    return;
  }
  await labelRecording(run);
  moments?.absorb(recording.states.data);
  if (moments) setObservationMoments(student, moments.rounded());
}

/** Fills the replay with a recording; what its teachers do not say in it, the run's teachers are asked. */
async function labelRecording({ recording, replay, teaching, wanted, environment }: DistillationRun): Promise<void> {
  const { states, actions, copies, outputs } = recording!;
  const rows = states.shape[0];
  const chunk = (tensor: HostTensor, start: number): Float32Array => {
    const width = tensor.data.length / rows;
    return Float32Array.from(tensor.data.subarray(start * width, (start + copies) * width));
  };
  for (let start = 0; start + copies <= rows; start += copies) {
    const state = chunk(states, start);
    const said = outputs
      ? Object.fromEntries(wanted[0].map((name) => [`0/${name}`, chunk(outputs[name], start)]))
      : await teaching.ask(state, wanted);
    replay.add({ state, ...said, ...(environment.actionSpace.kind !== 'box' && { label: chunk(actions, start) }) });
    endPiece();
  }
}

/** One step of the log: steps of all copies, and what is learned after each. */
export async function collectAndDistill(run: DistillationRun, logStep: number): Promise<void> {
  const { options, replay, moments, student, recording, progress, schedule } = run;
  const scale = schedule(logStep);
  const { remembering } = run;
  const before = remembering && { data: remembering.memory.slice(), shape: student.offers.memory };
  for (let i = 0; i < run.stepsPerLog; i++) {
    if (!recording) {
      await collect(run);
      if (moments) setObservationMoments(student, moments.rounded());
    }
    progress.vectorSteps++;
    if (remembering) continue;
    if (replay.size < options.batchSize && !recording) continue;
    for (let k = 0; k < options.updates; k++) update(run, scale);
    endPiece();
  }
  if (!before) return;
  const rows = {
    ...replay.all(),
    memory: { data: before.data, shape: [run.environment.count, ...before.shape] },
  };
  for (let k = 0; k < options.updates; k++) {
    run.descend(rows, { learningRate: run.learningRate * scale, update: ++progress.updates });
    endPiece();
  }
}

/** One step of all copies: what they show is labeled and kept, and somebody acts. */
async function collect(run: DistillationRun): Promise<void> {
  const { environment, teaching, wanted, replay, moments, episodes, options, player, remembering, progress, context } =
    run;
  const { count, actionSpace } = environment;
  const discrete = actionSpace.kind !== 'box';
  const actor = options.actor ?? 'student';
  const observations = environment.observations.slice();
  const said = await teaching.ask(observations, wanted);
  const sources = wanted.length;
  replay.add({
    state: observations,
    ...said,
    ...(run.labeled && { label: actionsOf(said, sources, actionSpace) }),
    ...(remembering && { keep: remembering.keep }),
  });
  moments?.absorb(observations);

  const share = actor === 'mixed' ? teacherShare(run) : actor === 'teacher' ? 1 : 0;
  const stream = (name: string) => context.seeds.stream(`distillation/${name}`);
  // A recurrent student remembers what it sees, whoever acts.
  const own = share < 1 || remembering ? await player.act(observations) : undefined;
  let actions = share < 1 ? own : undefined;
  if (share > 0) {
    const random = options.sampled && discrete ? stream('teacher') : undefined;
    const theirs = actionsOf(said, sources, actionSpace, random);
    if (actions) {
      const width = actionSize(actionSpace);
      for (let copy = 0; copy < count; copy++) {
        if (stream('mixing').uniform() >= share) continue;
        actions.set(theirs.subarray(copy * width, (copy + 1) * width), copy * width);
      }
    } else actions = theirs;
  }
  const result = stepEnvironment(environment, actions!, progress.vectorSteps);
  episodes.add(result);
  player.forget(result.terminated.map((end, copy) => end | result.truncated[copy]));
}

/** β of DAgger (Ross, Gordon & Bagnell 2011), linear in the run. */
function teacherShare({ options, progress, epochs, stepsPerEpoch, stepsPerLog: perLog }: DistillationRun): number {
  const part = progress.vectorSteps / (epochs * stepsPerEpoch * perLog);
  return Math.max(0, 1 - part / options.mixing);
}

function update(run: DistillationRun, scale: number): void {
  const { replay, options, meta, environment, context, progress, descend, learningRate, teaching } = run;
  const random = context.seeds.stream('distillation/batches');
  const number = ++progress.updates;
  if (!meta) {
    descend(replay.draw(random, options.batchSize), { learningRate: learningRate * scale, update: number });
    return;
  }
  const tasks = environment.tasks?.length;
  const turn = (number - 1) % (tasks ?? teaching.sources.length);
  const batches = Array.from({ length: meta.batches }, () =>
    replay.draw(random, options.batchSize, tasks === undefined ? undefined : { task: turn, tasks }),
  );
  meta.iterate(batches, tasks === undefined ? turn : 0, { scale, update: number });
}

/** Everything of a run that changes while it goes. A recording is read again. */
async function saveDistillation(run: DistillationRun): Promise<Record<string, StateTree>> {
  const { weights, optimizer, log, replay, environment, episodes, moments, context, progress, recording } = run;
  return {
    student: await saveVariables(weights),
    optimizer: await optimizer.save(),
    log: await log.save(),
    replay: recording ? null : replay.save(),
    environment: recording ? null : await environment.save(),
    memory: run.remembering?.save() ?? null,
    episodes: episodes.save(),
    moments: moments?.save() ?? null,
    seeds: context.seeds.save(),
    progress: { ...progress },
  };
}

async function loadDistillation(run: DistillationRun, saved: Record<string, StateTree>): Promise<void> {
  const { weights, optimizer, log, replay, environment, episodes, moments, context, progress, recording } = run;
  loadVariables(weights, saved.student, 'student');
  optimizer.load(saved.optimizer);
  log.load(saved.log);
  if (recording) await labelRecording(run);
  else {
    replay.load(saved.replay);
    await environment.load(saved.environment);
  }
  run.remembering?.load(saved.memory);
  episodes.load(saved.episodes);
  moments?.load(saved.moments);
  context.seeds.load(saved.seeds as Record<string, number[]>);
  Object.assign(progress, saved.progress);
}

/** Steps that are timed, after one that warms caches up. */
const timed = 2;

/**
 * Times a few steps that learn and one evaluation, then puts everything back. Seconds are for evaluations whose episodes all last
 * until the time limit.
 */
export async function estimateDistillation(run: DistillationRun): Promise<RunEstimate> {
  const { student, environment, options, replay, log } = run;
  const before = await saveDistillation(run);
  await begin(run);
  while (!run.recording && !run.remembering && replay.size < options.batchSize) await collect(run);
  let perStep = Infinity;
  for (let step = 0; step <= timed; step++) {
    const start = performance.now();
    await collectAndDistill(run, 0);
    await log.read();
    if (step > 0) perStep = Math.min(perStep, (performance.now() - start) / 1000);
  }
  const memoryBytes = process.memoryUsage().rss;
  const start = performance.now();
  const played = await run.scores.play('validation');
  const perPlayed = (performance.now() - start) / 1000 / Math.max(1, played['episode-length'] as number);
  const checkpointBytes = stateBytes(await saveDistillation(run));
  await loadDistillation(run, before);
  const evaluations = run.epochs + 4;
  return {
    parameters: student.parameters,
    macs: student.macs,
    checkpointBytes,
    memoryBytes,
    seconds:
      run.epochs * run.stepsPerEpoch * perStep + evaluations * Math.min(environment.timeLimit, 10_000) * perPlayed,
    stepsPerEpoch: run.stepsPerEpoch,
    epochs: run.epochs,
  };
}
