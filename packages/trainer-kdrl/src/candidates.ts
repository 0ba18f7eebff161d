import {
  batchesPerEpoch,
  type BatchTensors,
  type Dataset,
  type HostTensor,
  InputError,
  type NetworkOutput,
  type OutputShapes,
} from '@retort/core';
import { unitRows } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * What a network chooses among for an image. `classes`: the classes its logits are of. `prompts`: the classes, by the texts that stand
 * for them. `texts`: the texts of the batch, text i being that of image i.
 */
export type CandidateKind = 'classes' | 'prompts' | 'texts';

export interface Candidates {
  kind: CandidateKind;
  /** How many there are for a batch of B images. */
  count(batchSize: number): number;
  /** Of `prompts`: the first text of each class [C, N], that student and losses see in training. */
  tokens?: HostTensor;
}

/** @throws InputError when a student of two encoders finds no texts */
export function candidatesOf(dataset: Dataset, offers: OutputShapes, hasCaptions: boolean): Candidates {
  const { classes, text } = dataset;
  if ('logits' in offers) return { kind: 'classes', count: () => classes.length };
  if (!('imageEmbedding' in offers && 'textEmbedding' in offers)) {
    throw new InputError('student: it gives neither logits nor embeddings of images and texts, so it decides nothing', {
      hints: [`it offers: ${Object.keys(offers).join(', ')}`],
    });
  }
  if (hasCaptions) return { kind: 'texts', count: (batchSize) => batchSize };
  if (!text || text.prompts.length === 0) {
    throw new InputError('dataset: a student of two encoders needs texts, and there are neither captions nor prompts', {
      hints: [
        'prompts of classes: dataset.tokenizer: words and dataset.prompts: photographs',
        'or take a set of captions',
      ],
    });
  }
  const tokens = text.tokenizer.encode(text.prompts.map(([first]) => first));
  return { kind: 'prompts', count: () => classes.length, tokens };
}

/** Whether batches bring texts of the images, and boxes of what these name: one of the train split is looked at. */
export async function pairsOf(dataset: Dataset): Promise<{ hasCaptions: boolean; hasBoxes: boolean }> {
  if (!dataset.text || batchesPerEpoch(dataset, 'train') === 0) return { hasCaptions: false, hasBoxes: false };
  const { inputs, targets } = await dataset.batch({ split: 'train', epoch: 0, step: 0 });
  return { hasCaptions: inputs.tokens !== undefined, hasBoxes: targets.box !== undefined };
}

/**
 * Outputs of a student that a run has no use for. Boxes are of what text i names in image i, so without such texts they are not
 * computed: a batch of an evaluation may have several texts of an image. Prompts are texts of classes and not of images.
 */
export function unusedOutputs({ kind }: Candidates, hasBoxes: boolean): { model: string[]; shown: string[] } {
  const model = hasBoxes && kind !== 'prompts' ? [] : ['boxes'];
  return { model, shown: kind === 'prompts' ? [...model, 'textEmbedding'] : model };
}

/** An output with logits [B, T] over candidates: its own, or logitScale · cos(image, text). */
export function withLogits(output: NetworkOutput): NetworkOutput {
  const { imageEmbedding, textEmbedding, logitScale } = output;
  if (output.logits || !imageEmbedding || !textEmbedding) return output;
  const cosines = tf.matMul(unitRows(imageEmbedding), unitRows(textEmbedding), false, true);
  return { ...output, logits: (logitScale ? cosines.mul(logitScale) : cosines) as tf.Tensor2D };
}

/** Shapes of {@link withLogits}. */
export function offersWithLogits(offers: OutputShapes, count: number): OutputShapes {
  const makes = 'imageEmbedding' in offers && 'textEmbedding' in offers;
  return makes && !('logits' in offers) ? { ...offers, logits: [count] } : offers;
}

/** [B] int32: the candidate that belongs to each image, where it is known; −1 in places where it is not. */
export function rightCandidates({ kind }: Candidates, batch: BatchTensors): tf.Tensor1D | undefined {
  return kind === 'texts' ? tf.range(0, batch.size, 1, 'int32') : batch.label;
}
