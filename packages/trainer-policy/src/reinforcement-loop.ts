import type { PartReference, StateTree, TrainingLoop, TrainingOptions } from '@retort/core';
import { loadVariables, saveVariables, setObservationMoments } from '@retort/nn';
import { actionNames } from './compose-acting.js';
import type { ReinforcementRun } from './reinforcement.js';
import { savePolicy } from './save-policy.js';

/**
 * How a run steps, evaluates and saves. A step of the log is `stepSize` environment steps, told as the run's batch size: after step k
 * of the log, counted from 0, (k + 1) · stepSize environment steps are done; with whole episodes up to one step of all copies more.
 */
export function reinforcementLoop(run: ReinforcementRun, { emit }: Pick<TrainingOptions, 'emit'>): TrainingLoop {
  const { context, environment, student, collector, episodes, log, stepSize } = run;
  const { manifest } = context;
  const steps = run.epochs * run.stepsPerEpoch;
  let [warned, unread] = [false, 0];
  return {
    manifest,
    selection: { evaluateEvery: 1, select: 'return', selectBy: 'highest' },
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
    prepare: () => collector.begin(),
    async step(step) {
      const images = await collectAndLearn(run, (step + 1) * stepSize);
      unread++;
      if (!warned && episodes.longest() >= environment.timeLimit) {
        warned = true;
        emit({
          type: 'warning',
          message: `${environment.identity}: an episode goes on after ${environment.timeLimit} steps, past its time limit`,
        });
      }
      return { images };
    },
    learningRate: (step) => learningRateOf(manifest.agent!, (step + 1) / steps),
    async readSteps() {
      if (unread === 0) return undefined;
      unread = 0;
      return { ...episodes.read(), ...(await log.read()), ...collector.readRewards() };
    },
    endEpoch: async () => undefined,
    async evaluate(split, which) {
      const values = await run.play(split);
      // What the run took, beside what came of it.
      return split === 'test' && which === 'last' ? { ...values, ...episodes.milestones() } : values;
    },
    asEvaluated: (body) => body(),
    readStudent: () => saveVariables(run.weights),
    writeStudent: (weights) => loadVariables(run.weights, weights, 'student'),
    saveStudent: (folder) =>
      savePolicy(student, environment, { run: manifest.name, observations: run.moments?.count }, folder),
    save: () => saveRun(run),
    load: (state) => loadRun(run, state),
    drain: async () => {},
  };
}

/** Steps and learns until so many environment steps are done over the run. @returns environment steps of this call */
export async function collectAndLearn(run: ReinforcementRun, until: number): Promise<number> {
  const { agent, collector, rewards, log, student, moments, wholeEpisodes, horizon, stepSize } = run;
  const total = run.epochs * run.stepsPerEpoch * stepSize;
  let steps = 0;
  while (collector.transitions < until) {
    steps += await collector.step();
    if (!(wholeEpisodes ? collector.allOver : collector.steps % horizon === 0)) continue;
    log.add(agent.update(Math.min(collector.transitions / total, 1 - Number.EPSILON)));
    for (const { name, reward } of rewards) if (reward.update) log.add(reward.update(), `${name}/`);
    // Only between updates, so that the probabilities of what was observed stay those it was sampled with.
    if (moments) setObservationMoments(student, moments.rounded());
  }
  return steps;
}

/** Everything of a run that changes while it goes. */
export async function saveRun(run: ReinforcementRun): Promise<Record<string, StateTree>> {
  return {
    student: await saveVariables(run.weights),
    agent: await run.agent.save(),
    collector: await run.collector.save(),
    episodes: run.episodes.save(),
    moments: run.moments?.save() ?? null,
    rewardScale: run.rewardScale?.save() ?? null,
    rewards: await Promise.all(run.rewards.map(({ reward }) => reward.save())),
    seeds: run.context.seeds.save(),
  };
}

/** Puts a run where {@link saveRun} found it. */
export async function loadRun(run: ReinforcementRun, saved: Record<string, StateTree>): Promise<void> {
  loadVariables(run.weights, saved.student, 'student');
  await run.agent.load(saved.agent);
  await run.collector.load(saved.collector);
  run.episodes.load(saved.episodes);
  run.moments?.load(saved.moments);
  run.rewardScale?.load(saved.rewardScale);
  for (const [i, { reward }] of run.rewards.entries()) reward.load((saved.rewards as StateTree[])[i]);
  run.context.seeds.load(saved.seeds as Record<string, number[]>);
}

/** What an agent learns at, for the log: its peak, in a line to 0 where it is told to `anneal`; 0 where its options do not say. */
function learningRateOf({ options }: PartReference<'agent'>, progress: number): number {
  const optimizer = options.optimizer as PartReference | undefined;
  const rate = optimizer?.options.learningRate;
  if (typeof rate !== 'number') return 0;
  return options.anneal === true ? rate * (1 - progress) : rate;
}
