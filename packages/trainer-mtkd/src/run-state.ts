import type { StateTree } from '@retort/core';
import { loadVariables, saveVariables } from '@retort/nn';
import type { MtkdRun } from './mtkd-run.js';

/** Everything of a run that a checkpoint holds. */
export async function saveState({ state }: Pick<MtkdRun, 'state'>): Promise<Record<string, StateTree>> {
  return {
    parameters: await saveVariables({ ...state.trainable, ...state.frozen }),
    optimizer: await state.optimizer.save(),
    log: await state.log.save(),
    weights: await state.weightLog.save(),
    weighting: (await state.weighting.save?.()) ?? null,
    average: (await state.average?.save()) ?? null,
    seeds: state.seeds.save(),
  };
}

/** Puts a run where {@link saveState} found it. */
export async function loadState({ state }: Pick<MtkdRun, 'state'>, saved: Record<string, StateTree>): Promise<void> {
  loadVariables({ ...state.trainable, ...state.frozen }, saved.parameters, 'checkpoint');
  state.optimizer.load(saved.optimizer);
  state.log.load(saved.log);
  state.weightLog.load(saved.weights);
  await state.weighting.load?.(saved.weighting);
  state.average?.load(saved.average);
  state.seeds.load(saved.seeds as Record<string, number[]>);
}
