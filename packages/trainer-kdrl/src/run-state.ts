import type { HostTensor, StateTree } from '@retort/core';
import { loadVariables, saveVariables } from '@retort/nn';
import type { CollapseSigns } from './collapse-watch.js';
import type { KdrlRun } from './kdrl-run.js';

/** Everything of a run that a checkpoint holds, centers included. */
export async function saveState(run: KdrlRun): Promise<Record<string, StateTree>> {
  const { centers, stages, seeds, anneal, signs } = run;
  return {
    parameters: await saveVariables({ ...run.trainable, ...run.frozen }),
    optimizers: await Promise.all(stages.map(({ optimizer }) => optimizer.save())),
    logs: await Promise.all(stages.map(({ log }) => log.save())),
    anneal: await saveVariables(anneal.variables),
    centers: centers ? { ...(await saveVariables({ centers: centers.centers })), ...pairs(centers.assignment) } : null,
    signs: signs ? (JSON.parse(JSON.stringify(signs)) as StateTree) : null,
    seeds: seeds.save(),
  };
}

/** Puts a run where {@link saveState} found it. */
export function loadState(run: KdrlRun, saved: Record<string, StateTree>): void {
  const { centers, stages, seeds, anneal } = run;
  loadVariables({ ...run.trainable, ...run.frozen }, saved.parameters, 'checkpoint');
  for (const [i, { optimizer, log }] of stages.entries()) {
    optimizer.load((saved.optimizers as StateTree[])[i]);
    log.load((saved.logs as StateTree[])[i]);
  }
  loadVariables(anneal.variables, saved.anneal, 'anneal');
  if (centers) {
    loadVariables({ centers: centers.centers }, saved.centers, 'centers');
    const { index, assignment } = saved.centers as Record<'index' | 'assignment', HostTensor>;
    index.data.forEach((number, row) => centers.assignment.set(number, assignment.data[row]));
  }
  run.signs = (saved.signs as CollapseSigns | null) ?? undefined;
  seeds.load(saved.seeds as Record<string, number[]>);
}

function pairs(assignment: Map<number, number>): Record<'index' | 'assignment', HostTensor> {
  const vector = (values: Iterable<number>) => ({ data: Int32Array.from(values), shape: [assignment.size] });
  return { index: vector(assignment.keys()), assignment: vector(assignment.values()) };
}
