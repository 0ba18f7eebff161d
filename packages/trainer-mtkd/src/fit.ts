import { fitLosses, teacherPass } from '@retort/nn';
import type { MtkdRun } from './mtkd-run.js';

/**
 * What learns from a pass over the data before the first step: losses from the train split, as the first epoch augments it, each
 * with its own teacher; the weighting from the validation split, or the plain train split where there is none.
 */
export async function fit({ terms, dataset, teachers, weighting }: MtkdRun): Promise<void> {
  await fitLosses(terms, dataset, teachers);
  const split = dataset.sizes.validation > 0 ? 'validation' : 'train';
  await weighting.fit?.(teacherPass(dataset, split, teachers, { augment: false }));
}
