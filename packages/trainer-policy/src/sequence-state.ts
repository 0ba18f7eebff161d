import type { StateTree } from '@retort/core';
import { loadVariables, namedWeights, saveVariables } from '@retort/nn';
import { allWeights, type SequenceRun } from './sequence-run.js';

/** Everything of a run that a checkpoint holds. */
export async function saveSequenceState(run: SequenceRun): Promise<Record<string, StateTree>> {
  const { phases, reference, seeds } = run;
  return {
    parameters: await saveVariables({ ...run.trainable, ...run.frozen }),
    optimizers: await Promise.all(phases.map(({ optimizer }) => optimizer.save())),
    logs: await Promise.all(phases.map(({ log }) => log.save())),
    reference: reference ? await saveVariables(allWeights(namedWeights(reference.model))) : null,
    seeds: seeds.save(),
  };
}

/** Puts a run where {@link saveSequenceState} found it. */
export function loadSequenceState(run: SequenceRun, saved: Record<string, StateTree>): void {
  const { phases, reference, seeds } = run;
  loadVariables({ ...run.trainable, ...run.frozen }, saved.parameters, 'checkpoint');
  for (const [i, { optimizer, log }] of phases.entries()) {
    optimizer.load((saved.optimizers as StateTree[])[i]);
    log.load((saved.logs as StateTree[])[i]);
  }
  if (reference) loadVariables(allWeights(namedWeights(reference.model)), saved.reference, 'reference');
  seeds.load(saved.seeds as Record<string, number[]>);
}
