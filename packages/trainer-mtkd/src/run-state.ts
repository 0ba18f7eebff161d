import type { HostTensor, StateTree } from '@retort/core';
import { loadVariables, saveVariables } from '@retort/nn';
import type { MtkdRun } from './mtkd-run.js';

/** The best student so far, by the validation split. */
export interface Best {
  value: number;
  epoch: number;
  /** Evaluations since. */
  age: number;
  weights: Record<string, HostTensor>;
}

/** Where the loop is and what it remembers beside the tensors. */
export interface Progress {
  /** Steps done. */
  step: number;
  best?: Best;
  /** Seconds of training in the epoch under way, before an interruption. */
  epochSeconds: number;
}

/** Everything a checkpoint holds. */
export async function snapshot({ state }: MtkdRun, { step, best, epochSeconds }: Progress): Promise<StateTree> {
  return {
    step,
    epochSeconds,
    best: best ? { ...best } : null,
    parameters: await saveVariables({ ...state.trainable, ...state.frozen }),
    optimizer: await state.optimizer.save(),
    log: await state.log.save(),
    weighting: (await state.weighting.save?.()) ?? null,
    average: (await state.average?.save()) ?? null,
    seeds: state.seeds.save(),
  } as StateTree;
}

/** Puts a run where {@link snapshot} found it. */
export async function restore({ state }: MtkdRun, progress: Progress, saved: StateTree): Promise<void> {
  const tree = saved as Record<string, StateTree>;
  loadVariables({ ...state.trainable, ...state.frozen }, tree.parameters, 'checkpoint');
  state.optimizer.load(tree.optimizer);
  state.log.load(tree.log);
  await state.weighting.load?.(tree.weighting);
  state.average?.load(tree.average);
  state.seeds.load(tree.seeds as Record<string, number[]>);
  progress.step = tree.step as number;
  progress.epochSeconds = tree.epochSeconds as number;
  progress.best = (tree.best as unknown as Best | null) ?? undefined;
}
