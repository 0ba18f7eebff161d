/** One evaluated batch in host memory. */
export interface MetricBatch {
  size: number;
  /** Row-major [B, C]. */
  logits?: Float32Array;
  /** [B] class numbers; −1 where the label is unknown, and the sample then does not count. */
  label?: Int32Array;
  /** Row-major [B, C] per teacher id, where teachers were run too. */
  teacherLogits?: Record<string, Float32Array>;
  /** Row-major [B, D] of any length: cosines are taken. */
  imageEmbedding?: Float32Array;
  /** Row-major [N, D], the texts that belong to the images of this batch. */
  textEmbedding?: Float32Array;
  /** [N] in [0, B): the image of this batch that each text belongs to. */
  imageOfText?: Int32Array;
  /** Row-major [B, 4]: left, top, right, bottom, in any unit that `targetBoxes` shares. */
  boxes?: Float32Array;
  /** Row-major [B, 4], as `boxes`. */
  targetBoxes?: Float32Array;
  /** Row-major [B, H · W]: foreground where it is not 0. */
  masks?: Uint8Array;
  /** Row-major [B, H · W], as `masks`. */
  targetMasks?: Uint8Array;
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
