import {
  batchesPerEpoch,
  type Dataset,
  type Head,
  type LossTerm,
  type Metric,
  type MetricValue,
  type NetworkOutput,
  outputTensors,
  type Split,
  type Student,
  type Teacher,
  type Weighting,
} from '@retort/core';
import { batchTensors, evaluationPass, networkOutput } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { evaluateTerms } from './distillation-view.js';

/** What looks at teachers during an evaluation. */
export interface TeacherEvaluation {
  teachers: Teacher[];
  terms: readonly LossTerm[];
  weighting: Weighting;
}

/**
 * Runs a student over a split.
 *
 * @param distillation when given, teachers run too: metrics see their logits, and the weights the weighting would give, without
 *   exploring, come out as `weights/HEAD` and `weights/generator-HEAD`, [class][teacher]
 * @returns metric values by name; nothing for an empty split
 */
export async function evaluateStudent(
  student: Pick<Student, 'model' | 'offers'>,
  dataset: Dataset,
  split: Split,
  metrics: Metric[],
  distillation?: TeacherEvaluation,
): Promise<Record<string, MetricValue>> {
  const steps = batchesPerEpoch(dataset, split);
  if (steps === 0) return {};
  const weightsByClass = new ClassMeans(dataset.classes.length);
  const load = (step: number) => dataset.batch({ split, epoch: 0, step }, { augment: false });
  let next = load(0);
  for (let step = 0; step < steps; step++) {
    const batch = await next;
    if (step + 1 < steps) next = load(step + 1);
    const teacherOutputs = await Promise.all(distillation?.teachers.map((teacher) => teacher.infer(batch)) ?? []);
    const results = tf.tidy(() => {
      const tensors = batchTensors(batch);
      const { image } = tensors;
      if (!distillation) return evaluationPass(student, ['logits'])({ image });
      const outputs = evaluationPass(student, Object.keys(student.offers))({ image });
      const output = networkOutput(Object.keys(outputs), Object.values(outputs));
      return { logits: outputs.logits, ...weigh(distillation, output, teacherOutputs, tensors) };
    });
    const { logits, ...weights } = results as Record<string, tf.Tensor>;
    const label = batch.targets.label!.data as Int32Array;
    const teacherLogits: Record<string, Float32Array> = {};
    for (const [m, { id }] of distillation?.teachers.entries() ?? []) {
      teacherLogits[id] = (await teacherOutputs[m].logits!.data()) as Float32Array;
    }
    const logitValues = (await logits.data()) as Float32Array;
    for (const metric of metrics) {
      metric.update({ size: batch.size, logits: logitValues, label, ...(distillation && { teacherLogits }) });
    }
    for (const [key, matrix] of Object.entries(weights)) {
      weightsByClass.add(key, (await matrix.data()) as Float32Array, label);
    }
    tf.dispose([results, ...teacherOutputs.map(outputTensors)] as tf.TensorContainer);
  }
  return { ...Object.assign({}, ...metrics.map((metric) => metric.result())), ...weightsByClass.result() } as Record<
    string,
    MetricValue
  >;
}

function weigh(
  { terms, weighting }: TeacherEvaluation,
  student: NetworkOutput,
  teachers: NetworkOutput[],
  batch: ReturnType<typeof batchTensors>,
): Record<string, tf.Tensor> {
  const { view } = evaluateTerms(terms, student, teachers, batch, { training: false });
  const { fused, generator = {} } = weighting.weigh(view, undefined);
  const keyed = (prefix: string, matrices: Partial<Record<Head, tf.Tensor2D>>) =>
    Object.entries(matrices).map(([head, matrix]) => [`${prefix}${head}`, matrix]);
  return Object.fromEntries([...keyed('weights/', fused), ...keyed('weights/generator-', generator)]) as Record<
    string,
    tf.Tensor
  >;
}

/** Means of rows by class, in float64; rows without a label do not count. */
class ClassMeans {
  readonly #classes: number;
  readonly #sums = new Map<string, number[][]>();
  readonly #counts = new Map<string, number[]>();

  constructor(classes: number) {
    this.#classes = classes;
  }

  /** @param rows row-major [B, width] */
  add(key: string, rows: Float32Array, label: Int32Array): void {
    const width = rows.length / label.length;
    const sums = this.#sums.get(key) ?? Array.from({ length: this.#classes }, () => new Array<number>(width).fill(0));
    const counts = this.#counts.get(key) ?? new Array<number>(this.#classes).fill(0);
    label.forEach((c, i) => {
      if (c < 0) return;
      counts[c]++;
      for (let m = 0; m < width; m++) sums[c][m] += rows[i * width + m];
    });
    this.#sums.set(key, sums);
    this.#counts.set(key, counts);
  }

  result(): Record<string, number[][]> {
    return Object.fromEntries(
      [...this.#sums].map(([key, sums]) => {
        const counts = this.#counts.get(key)!;
        return [key, sums.map((row, c) => row.map((sum) => sum / Math.max(1, counts[c])))];
      }),
    );
  }
}
