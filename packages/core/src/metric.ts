/** One evaluated batch in host memory. */
export interface MetricBatch {
  size: number;
  /** Row-major [B, C]. */
  logits: Float32Array;
  /** [B]. */
  label: Int32Array;
  /** Row-major [B, C] per teacher id, where teachers were run too. */
  teacherLogits?: Record<string, Float32Array>;
}

/** A number, a vector or a matrix, ready for JSON. */
export type MetricValue = number | number[] | number[][];

/** Accumulates over batches in float64. Evaluated on the host, outside any step. */
export interface Metric {
  update(batch: MetricBatch): void;
  /** Named results: `{ 'top-1': 0.91 }`. Fractions in [0, 1], not percent. */
  result(): Record<string, MetricValue>;
}

export interface MetricContext {
  classes: string[];
  teachers: string[];
  path: string;
}
