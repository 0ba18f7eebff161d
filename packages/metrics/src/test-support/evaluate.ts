import { type Metric, type MetricValue, type Part, Seeds } from '@retort/core';

export interface Samples {
  logits: number[][];
  label: number[];
  teachers?: Record<string, number[][]>;
}

/** A metric over samples in batches of `batchSize`. */
export function evaluate(
  part: Part<'metric'>,
  { logits, label, teachers = {} }: Samples,
  { batchSize = 2, options = {} }: { batchSize?: number; options?: object } = {},
): Record<string, MetricValue> {
  const context = {
    classes: logits[0].map((_, c) => `class ${c}`),
    teachers: Object.keys(teachers),
    path: 'metrics[0]',
  };
  const metric = part.create(part.options.parse(options) as never, context) as Metric;
  for (let start = 0; start < label.length; start += batchSize) {
    const rows = (all: number[][]) => Float32Array.from(all.slice(start, start + batchSize).flat());
    metric.update({
      size: Math.min(batchSize, label.length - start),
      logits: rows(logits),
      label: Int32Array.from(label.slice(start, start + batchSize)),
      teacherLogits: Object.fromEntries(Object.entries(teachers).map(([id, all]) => [id, rows(all)])),
    });
  }
  return metric.result();
}

/** Random samples with coarse logits, so that ties are common. */
export function randomSamples(size: number, classes: number): Samples & { teachers: Record<string, number[][]> } {
  const random = new Seeds(5).stream('samples');
  const rows = () =>
    Array.from({ length: size }, () => Array.from({ length: classes }, () => (random.integer(9) - 4) / 2));
  return { logits: rows(), label: rows().map(() => random.integer(classes)), teachers: { a: rows(), b: rows() } };
}

export function softmax(row: number[]): number[] {
  const e = row.map(Math.exp);
  const total = e.reduce((a, b) => a + b);
  return e.map((x) => x / total);
}
