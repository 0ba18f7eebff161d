import {
  batchesPerEpoch,
  type Metric,
  type MetricBatch,
  type MetricValue,
  outputTensors,
  type Split,
} from '@retort/core';
import {
  compile,
  forward,
  group,
  metricBatch,
  networkOutput,
  subNetwork,
  type TensorMap,
  toTensor,
  unitRows,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { withLogits } from './candidates.js';
import { effectiveClusters } from './collapse-watch.js';
import type { KdrlRun } from './kdrl-run.js';

/** What an evaluation found. */
export interface Evaluation {
  /** Metric values by name, and `clusters-in-use` where there are centers; nothing for an empty split. */
  values: Record<string, MetricValue>;
  /** Share of samples whose features lie nearest to each center, [K]. */
  shares?: number[];
}

/**
 * Runs the student over a split: classes by their logits, or zero-shot by all prompts of each; texts and images in one space; boxes.
 *
 * @param withTeacher the teacher runs too, and metrics see its logits
 */
export async function evaluateKdrl(
  run: KdrlRun,
  split: Split,
  metrics: readonly Metric[],
  { withTeacher = false } = {},
): Promise<Evaluation> {
  const { dataset, teacher } = run;
  const steps = batchesPerEpoch(dataset, split);
  if (steps === 0) return { values: {} };
  const classTexts = zeroShotTexts(run);
  const pass = evaluationPassOf(run);
  const counts = run.centers && new Array<number>(run.centers.centers.shape[0]!).fill(0);
  const load = (step: number) => dataset.batch({ split, epoch: 0, step }, { augment: false });
  let next = load(0);
  for (let step = 0; step < steps; step++) {
    const batch = await next;
    if (step + 1 < steps) next = load(step + 1);
    const answer = withTeacher ? await teacher?.infer(batch) : undefined;
    const { tokens } = batch.inputs;
    const outputs = tf.tidy(() =>
      pass({
        image: toTensor(batch.inputs.image!),
        ...(tokens && { tokens: toTensor(tokens) }),
        ...(classTexts && { classTexts }),
      }),
    );
    const { nearest, ...named } = outputs;
    const given: MetricBatch = {
      ...(await metricBatch(networkOutput(Object.keys(named), Object.values(named)), batch)),
      ...(answer?.logits && { teacherLogits: { [teacher!.id]: (await answer.logits.data()) as Float32Array } }),
    };
    for (const metric of metrics) metric.update(given);
    if (counts) for (const k of (await (nearest as tf.Tensor | undefined)?.data()) ?? []) counts[k]++;
    tf.dispose([outputs, ...(answer ? outputTensors(answer) : [])]);
  }
  classTexts?.dispose();
  const values = Object.assign({}, ...metrics.map((metric) => metric.result())) as Record<string, MetricValue>;
  if (!counts || !run.taps) return { values };
  const total = counts.reduce((a, b) => a + b, 0);
  const shares = counts.map((count) => count / total);
  return { values: { ...values, 'clusters-in-use': effectiveClusters(shares) }, shares };
}

/** [C, D] unit length: per class the mean of the unit embeddings of all its prompts (Radford et al. 2021). */
function zeroShotTexts({ candidates, dataset, student }: KdrlRun): tf.Tensor2D | undefined {
  if (candidates.kind !== 'prompts') return undefined;
  const { tokenizer, prompts } = dataset.text!;
  const encoder = subNetwork(student, 'tokens', ['textEmbedding']);
  return tf.tidy(() =>
    tf.concat(
      prompts.map((texts) => {
        const { textEmbedding } = forward(encoder, { tokens: toTensor(tokenizer.encode(texts)) }, { training: false });
        return unitRows(unitRows(textEmbedding!).mean<tf.Tensor2D>(0, true));
      }),
    ),
  ) as tf.Tensor2D;
}

type Pass = (inputs: TensorMap) => TensorMap;
const passes = new WeakMap<KdrlRun, Pass>();

/** The forward pass of evaluations, kept from one to the next. */
function evaluationPassOf(run: KdrlRun): Pass {
  const pass = passes.get(run) ?? createPass(run);
  passes.set(run, pass);
  return pass;
}

function createPass({ network, taps, centers, trainable, frozen, candidates }: KdrlRun): Pass {
  // Zero-shot takes class embeddings that were made once; images alone go through.
  const layers = candidates.kind === 'prompts' ? imagePart(network) : network;
  return compile(
    ({ classTexts, ...inputs }: TensorMap) => {
      const output = forward(layers, inputs, { training: false });
      const features = taps?.apply(output) ?? [];
      const nearest =
        centers && features.length > 0
          ? tf
              .matMul(tf.addN(features), centers.centers as tf.Tensor as tf.Tensor2D, false, true)
              .argMax<tf.Tensor1D>(1)
          : undefined;
      const { imageEmbedding, textEmbedding, boxes } = output;
      return {
        // Over the texts of a batch logits mean nothing: their number differs from that of the images.
        ...(candidates.kind !== 'texts' && {
          logits: withLogits(classTexts ? { ...output, textEmbedding: classTexts as tf.Tensor2D } : output).logits!,
        }),
        ...(imageEmbedding && { imageEmbedding }),
        ...(textEmbedding && { textEmbedding }),
        ...(boxes && { boxes }),
        ...(nearest && { nearest }),
      } as TensorMap;
    },
    {
      variables: {
        ...group('trainable/', trainable),
        ...group('frozen/', frozen),
        ...(centers && { centers: centers.centers }),
      },
    },
  );
}

/** A network of two encoders without that of texts. */
function imagePart(network: KdrlRun['network']): KdrlRun['network'] {
  const names = Object.keys(network.offers).filter((name) => name !== 'textEmbedding');
  return subNetwork(network, 'image', names);
}
