import * as tf from '@tensorflow/tfjs';
import { BoxCorners } from './box-corners.js';
import { ClassToken } from './class-token.js';
import { DropPath } from './drop-path.js';
import { EndTokenPool } from './end-token-pool.js';
import { LayerNorm } from './layer-norm.js';
import { LayerScale } from './layer-scale.js';
import { LearnedPositions } from './learned-positions.js';
import { LogitScale } from './logit-scale.js';
import { QuickGelu } from './quick-gelu.js';
import { TokenAttention } from './token-attention.js';
import { TokenSlice } from './token-slice.js';

/** All layers of ours but the grouped convolution, which is of nn. */
export const layerClasses = [
  BoxCorners,
  ClassToken,
  DropPath,
  EndTokenPool,
  LayerNorm,
  LayerScale,
  LearnedPositions,
  LogitScale,
  QuickGelu,
  TokenAttention,
  TokenSlice,
];

/** Lets tfjs load networks with transformer layers. Calling it again changes nothing. */
export function registerLayers(): void {
  for (const layer of layerClasses) {
    tf.serialization.registerClass(layer as tf.serialization.SerializableConstructor<tf.layers.Layer>);
  }
}
