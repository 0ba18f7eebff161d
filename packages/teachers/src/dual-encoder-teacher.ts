import {
  type Batch,
  type HostTensor,
  InputError,
  type NetworkOutput,
  type OutputShapes,
  type Teacher,
  type TeacherContext,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { imageOf } from './batch-image.js';
import { checkTokens } from './batch-tokens.js';
import { disposeOutput } from './output-shapes.js';
import { zeroShotClassifier } from './zero-shot-classifier.js';

/** An image encoder and a text encoder into one space. All that they give is the caller's. */
export interface DualEncoder {
  /** Shapes of what images and pairs give, without the batch axis. */
  provides: OutputShapes;
  /** Images [B, H, W, 3] to `imageEmbedding` [B, D] and whatever else the image encoder gives. */
  image(image: HostTensor): Promise<NetworkOutput>;
  /** Ids [T, N] to embeddings [T, dimensions]. Absent where the data set has no texts. */
  text?: { dimensions: number; encode(tokens: HostTensor): Promise<tf.Tensor2D> };
  /** Images and as many texts, the one at i about image i, to all that image and text give and `boxes` [B, 4]. */
  pair?(image: HostTensor, tokens: HostTensor): Promise<NetworkOutput>;
  logitScale: number;
  fingerprint: string;
  settings: object;
  summary: string;
  dispose(): Promise<void> | void;
}

/**
 * Two encoders as a teacher: imageEmbedding, textEmbedding where there are texts, logitScale, and logits where the data set's
 * classes have prompts, see {@link zeroShotClassifier}.
 *
 * @param encoder becomes the teacher's: disposed with it, and when this throws
 */
export async function dualEncoderTeacher(encoder: DualEncoder, context: TeacherContext): Promise<Teacher> {
  try {
    return await create(encoder, context);
  } catch (error) {
    await encoder.dispose();
    throw error;
  }
}

async function create(encoder: DualEncoder, context: TeacherContext): Promise<Teacher> {
  const { id, text, path: where } = context;
  const { logitScale, provides } = encoder;
  const [dimensions] = provides.imageEmbedding;
  if (!(logitScale > 0 && logitScale < Infinity)) {
    throw new InputError(`teacher "${id}" has the logit scale ${logitScale}, which is no positive number`, { where });
  }
  if (encoder.text && encoder.text.dimensions !== dimensions) {
    throw new InputError(
      `teacher "${id}": images become ${dimensions} numbers, texts ${encoder.text.dimensions}: not the same space`,
      { hints: ['name the outputs after the projections; encoders of different models do not go together'], where },
    );
  }
  const encodeText = (tokens: HostTensor) => encoder.text!.encode(tokens);
  const classifier =
    text && encoder.text && text.prompts.length > 0
      ? await zeroShotClassifier(text, encodeText, logitScale, context)
      : undefined;
  const shapes: OutputShapes = {
    ...(classifier && { logits: [context.classes.length] }),
    ...provides,
    ...(encoder.text && { textEmbedding: provides.imageEmbedding }),
    logitScale: [],
  };

  /** What is given of these inputs, and what follows from it. */
  async function answer(image?: HostTensor, tokens?: HostTensor, arePaired = false): Promise<NetworkOutput> {
    const sides =
      image && tokens && arePaired && encoder.pair
        ? [encoder.pair(image, tokens)]
        : [
            ...(image ? [encoder.image(image)] : []),
            ...(tokens ? [encodeText(tokens).then((textEmbedding): NetworkOutput => ({ textEmbedding }))] : []),
          ];
    const settled = await Promise.allSettled(sides);
    const outputs = settled.flatMap((side) => (side.status === 'fulfilled' ? [side.value] : []));
    const failed = settled.find((side) => side.status === 'rejected');
    if (failed) {
      outputs.forEach(disposeOutput);
      throw failed.reason;
    }
    const output: NetworkOutput = Object.assign({}, ...outputs);
    return {
      ...(classifier && output.imageEmbedding && { logits: classifier.logits(output.imageEmbedding) }),
      ...output,
      logitScale: tf.scalar(logitScale),
    };
  }

  const tokensOf = (tokens: HostTensor | undefined) => tokens && checkTokens(tokens, context);
  const isPaired = ({ size, inputs, targets }: Batch) => !targets.imageOfText && inputs.tokens?.shape[0] === size;
  return {
    id,
    describe: () => ({
      ...(classifier && { classes: context.classes }),
      provides: shapes,
      fingerprint: encoder.fingerprint,
      settings: JSON.stringify({ ...encoder.settings, ...(classifier && { prompts: classifier.fingerprint }) }),
      summary: encoder.summary,
    }),
    infer: async (batch) => answer(imageOf(batch, context), tokensOf(batch.inputs.tokens), isPaired(batch)),
    encode: async ({ image, tokens }) => answer(image && imageOf({ inputs: { image } }, context), tokensOf(tokens)),
    dispose: () => encoder.dispose(),
  };
}
