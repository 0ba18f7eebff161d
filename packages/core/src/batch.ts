import type { HostTensor } from './host-tensor.js';

export type Split = 'train' | 'validation' | 'test';

/** Which batch: a position, never "the next one", so that any batch can be resumed, replayed or cached. */
export interface BatchAddress {
  split: Split;
  /** 0-based; order and augmentation are functions of seed, epoch and sample index. */
  epoch: number;
  /** 0-based within the epoch. */
  step: number;
}

/** B samples in host memory. */
export interface Batch extends BatchAddress {
  size: number;
  /** [B] sample numbers within the split's source, stable over epochs. */
  index: Int32Array;
  /** [B] which view of the sample this is: 0 without augmentation, else one more than the view's number (docs/recipes.md). */
  view: Int32Array;
  inputs: {
    /** [B, H, W, 3] float32, pixels in [0, 1]. */
    image?: HostTensor;
    /** [T, N] int32: a text per row; of which image is told by `imageOfText`, where T is not B. */
    tokens?: HostTensor;
    /** [B, S] float32. */
    state?: HostTensor;
  };
  targets: {
    /** [B] int32 class numbers, −1 where the label is unknown, as of some train samples where a data set hides labels. */
    label?: HostTensor;
    /** [B] int32: the class of the image that was mixed in (mixup, CutMix), −1 where it is unknown; absent where none is. */
    otherLabel?: HostTensor;
    /** [B] float32 in [0, 1]: the share of `label`, the rest is that of `otherLabel`. */
    labelShare?: HostTensor;
    /** [B, 4] float32: left, top, right, bottom, in parts of width and height. */
    box?: HostTensor;
    /** [B, H, W] uint8: 1 where the object is. */
    mask?: HostTensor;
    /** [T] int32 in [0, B): the image of this batch that a text belongs to; absent where text i is of image i. */
    imageOfText?: HostTensor;
    /** [B, N] uint8: 1 where the token is one of the answer's, its end token among them. */
    answerMask?: HostTensor;
  };
}
