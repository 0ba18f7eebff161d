import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Scalar } from '@tensorflow/tfjs';

/** What a network hands out. All fields optional; who provides one declares it with its shape. */
export interface NetworkOutput {
  /** [B, C], before the softmax. */
  logits?: Tensor2D;
  /** [B, D], pooled, before the classifier. */
  embedding?: Tensor2D;
  /** [B, H, W, K]. */
  featureMap?: Tensor4D;
  /** [B, N, D]. */
  tokens?: Tensor3D;
  /** [B, N, V], before the softmax: what is said after each token about the next one. */
  tokenLogits?: Tensor3D;
  /** [B, D] in the space that images and texts share; of any length. */
  imageEmbedding?: Tensor2D;
  /** [T, D], a text per row. */
  textEmbedding?: Tensor2D;
  /** What cosines of the two are multiplied with, exp of what is learned. */
  logitScale?: Scalar;
  /** [B, 4]: left, top, right, bottom, in parts of width and height. */
  boxes?: Tensor2D;
  /**
   * [B, n], of networks that act in a box: in the coordinates whose tanh is the action in half ranges from the middle. A discrete
   * action's preferences, or values of a network that learned those, are `logits`.
   */
  mean?: Tensor2D;
  /** [B, 1], what is still to be earned from here. */
  value?: Tensor2D;
  /** [B, n], what each discrete action earns beyond `value`. */
  advantages?: Tensor2D;
  /** [B, M], what a recurrent network hands on to its next step. */
  memory?: Tensor2D;
  /** Further layers by the names given in the manifest. */
  taps?: Record<string, Tensor>;
}

/** Shapes by output name, without the batch axis: `{ logits: [10], featureMap: [8, 8, 64] }`. Taps stand beside fields. */
export type OutputShapes = Record<string, number[]>;

/** The output called `name`, a field or a tap; undefined when there is none. */
export function outputNamed(output: NetworkOutput, name: string): Tensor | undefined {
  return (output as Record<string, Tensor | undefined>)[name] ?? output.taps?.[name];
}

/** All tensors of an output. */
export function outputTensors({ taps, ...fields }: NetworkOutput): Tensor[] {
  return [...Object.values(fields), ...Object.values(taps ?? {})].filter((tensor) => tensor !== undefined);
}

/** The tensors of a batch that losses, weightings and rewards read. */
export interface BatchTensors {
  size: number;
  /** [B, H, W, 3], pixels in [0, 1]. */
  image?: Tensor4D;
  /** [B] int32 class numbers; −1 where the label is unknown, and the sample then counts for nothing that reads labels. */
  label?: Tensor1D;
  /** [B] int32: the class of the image that was mixed in, −1 where it is unknown; absent where none is. */
  otherLabel?: Tensor1D;
  /** [B] in [0, 1]: the share of `label`, the rest is that of `otherLabel`. */
  labelShare?: Tensor1D;
  /** [T, N] int32. */
  tokens?: Tensor2D;
  /** [T] int32 in [0, B): the image a text belongs to; absent where text i is of image i. */
  imageOfText?: Tensor1D;
  /** [B, N] int32: 1 where the token is one of the answer's. */
  answerMask?: Tensor2D;
  /** [B, 4]: left, top, right, bottom, in parts of width and height. */
  box?: Tensor2D;
  /** [B, H, W] int32: 1 where the object is. */
  mask?: Tensor3D;
}
