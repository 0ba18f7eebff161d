import { InputError } from './errors.js';
import type { Metric, MetricBatch } from './metric.js';
import type { OutputShapes } from './network-output.js';
import type { PartReference } from './part-reference.js';
import type { RunScope } from './registry.js';

/** Makes the metrics of one evaluation, those that compare with teachers only where there are some. */
export type CreateMetrics = (teachers: readonly string[]) => Promise<Metric[]>;

/**
 * Checks the metrics of a manifest.
 *
 * @param offers what evaluations see of the student, by name
 * @throws InputError when a metric reads an output that is not among them
 */
export function metricsOf(
  references: readonly PartReference<'metric'>[],
  scope: RunScope,
  offers: OutputShapes,
  classes: readonly string[],
): CreateMetrics {
  for (const reference of references) {
    const missing = scope.part(reference).needs?.student?.find((name) => !(name in offers));
    if (missing === undefined) continue;
    throw new InputError(
      `${reference.path}: metric "${reference.use}" reads ${missing}, which the student does not give`,
      { hints: [`it offers: ${Object.keys(offers).join(', ')}`] },
    );
  }
  return (teachers) =>
    Promise.all(
      references
        .filter((reference) => teachers.length > 0 || !scope.part(reference).needs?.teacher?.length)
        .map((reference) =>
          scope.create(reference, { classes: [...classes], teachers: [...teachers], path: reference.path }),
        ),
    );
}

/**
 * The metric that chooses the best student has to be there, and give one number.
 *
 * @param metrics made for this, and used up
 * @param sample one made-up sample as evaluations give it: names come with results only
 * @throws InputError when no metric gives `select`
 */
export function checkSelection(
  select: string,
  metrics: readonly Metric[],
  sample: MetricBatch,
  references: readonly PartReference<'metric'>[],
): void {
  const given = metrics.flatMap((metric) => {
    metric.update(sample);
    return Object.keys(metric.result());
  });
  if (given.includes(select)) return;
  const listed = references.map(({ use }) => use).join(', ') || 'none';
  throw new InputError(`trainer.select: no metric gives "${select}"`, {
    hints: [`metrics listed: ${listed}, which give ${given.join(', ') || 'nothing'}`],
  });
}
