import { type MetricBatch, RunError } from '@retort/core';

/** A batch that has these fields. @throws RunError naming the metric and the field that is missing */
export function given<K extends keyof MetricBatch>(
  batch: MetricBatch,
  fields: readonly K[],
  metric: string,
): MetricBatch & Required<Pick<MetricBatch, K>> {
  const missing = fields.find((field) => batch[field] === undefined);
  if (missing !== undefined) throw new RunError(`metric "${metric}" needs ${missing}, and this evaluation gives none`);
  return batch as MetricBatch & Required<Pick<MetricBatch, K>>;
}
