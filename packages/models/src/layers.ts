/**
 * `import '@retort/models/layers'` lets tfjs load networks with transformer layers, in a browser too: it needs nothing but tfjs.
 */
import { registerLayers } from './layers/register-layers.js';

export { boxCorners } from './layers/box-corners.js';
export { classToken } from './layers/class-token.js';
export { dropPath } from './layers/drop-path.js';
export type { DropPathConfig } from './layers/drop-path.js';
export { endTokenPool } from './layers/end-token-pool.js';
export type { EndTokenPoolConfig } from './layers/end-token-pool.js';
export { layerNorm } from './layers/layer-norm.js';
export type { LayerNormConfig } from './layers/layer-norm.js';
export { layerScale } from './layers/layer-scale.js';
export { learnedPositions } from './layers/learned-positions.js';
export { logitScale } from './layers/logit-scale.js';
export { quickGelu } from './layers/quick-gelu.js';
export { tokenAttention } from './layers/token-attention.js';
export type { TokenAttentionConfig } from './layers/token-attention.js';
export { tokenSlice } from './layers/token-slice.js';
export type { TokenSliceConfig } from './layers/token-slice.js';

registerLayers();
