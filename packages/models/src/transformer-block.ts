import { initialDeviation } from './token-layer-rules.js';
import type { LayerSpec } from './network-spec.js';

/** ε of layer norms in DeiT and CaiT. */
const defaultEpsilon = 1e-6;

export interface TransformerBlockOptions {
  /** D. */
  width: number;
  heads: number;
  talkingHeads?: boolean;
  /** A token sees none that comes after it. */
  causal?: boolean;
  /** Between the dense layers of the second branch; `gelu` unless told. */
  activation?: 'gelu' | 'quick-gelu';
  /** ε of the layer norms, 1e-6 unless told. */
  epsilon?: number;
  /** Spread of what dense layers start from, 0.02 unless told: query, key and value; the hidden layer; the last of either branch. */
  deviations?: { attention: number; hidden: number; last: number };
  /** What the factors of both branches start from; without it there are none. */
  layerScale?: number;
  /** Probability in training that a sample goes around a branch. */
  dropPath: number;
  /** What the block is called in published weights. */
  published: string;
}

/**
 * Pre-norm block: x + attention(norm(x)), then x + mlp(norm(x)), with a hidden width of 4D; [N, D] → [N, D]. The last layer is
 * `NAME_mlp_add`.
 */
export function transformerBlock(name: string, from: string, options: TransformerBlockOptions): LayerSpec[] {
  const { width, heads, talkingHeads, causal, epsilon, deviations, published } = options;
  return [
    norm(`${name}_norm1`, from, `${published}.norm1`, epsilon),
    dense(`${name}_qkv`, `${name}_norm1`, 3 * width, `${published}.attn.qkv`, deviations?.attention),
    {
      name: `${name}_attention`,
      from: [`${name}_qkv`],
      config: { type: 'attention', heads, talkingHeads, causal },
      published: `${published}.attn`,
    },
    dense(`${name}_projection`, `${name}_attention`, width, `${published}.attn.proj`, deviations?.last),
    ...branchEnd(`${name}_attention`, `${name}_projection`, from, options, 1),
    ...mlpBranch(name, `${name}_attention_add`, options),
  ];
}

/**
 * Class-attention block (Touvron et al. 2021, eq. 6–9): the class token alone asks, of itself and all patches, and is changed;
 * [1, D] → [1, D]. The last layer is `NAME_mlp_add`.
 *
 * @param patches layer of the patches' tokens
 */
export function classAttentionBlock(
  name: string,
  token: string,
  patches: string,
  options: TransformerBlockOptions,
): LayerSpec[] {
  const { width, heads, published } = options;
  const all = `${name}_norm1`;
  return [
    { name: `${name}_tokens`, from: [token, patches], config: { type: 'concat', along: 'tokens' } },
    norm(all, `${name}_tokens`, `${published}.norm1`),
    { name: `${name}_asking`, from: [all], config: { type: 'token-slice', start: 0, count: 1 } },
    dense(`${name}_query`, `${name}_asking`, width, `${published}.attn.q`),
    dense(`${name}_key`, all, width, `${published}.attn.k`),
    dense(`${name}_value`, all, width, `${published}.attn.v`),
    {
      name: `${name}_attention`,
      from: [`${name}_query`, `${name}_key`, `${name}_value`],
      config: { type: 'attention', heads },
    },
    dense(`${name}_projection`, `${name}_attention`, width, `${published}.attn.proj`),
    ...branchEnd(`${name}_attention`, `${name}_projection`, token, options, 1),
    ...mlpBranch(name, `${name}_attention_add`, options),
  ];
}

/** x + mlp(norm(x)); the last layer is `NAME_mlp_add`. */
function mlpBranch(name: string, from: string, options: TransformerBlockOptions): LayerSpec[] {
  const { width, activation = 'gelu', epsilon, deviations, published } = options;
  return [
    norm(`${name}_norm2`, from, `${published}.norm2`, epsilon),
    dense(`${name}_hidden`, `${name}_norm2`, 4 * width, `${published}.mlp.fc1`, deviations?.hidden),
    { name: `${name}_gelu`, from: [`${name}_hidden`], config: { type: activation } },
    dense(`${name}_output`, `${name}_gelu`, width, `${published}.mlp.fc2`, deviations?.last),
    ...branchEnd(`${name}_mlp`, `${name}_output`, from, options, 2),
  ];
}

/** Layer scale, drop-path and the residual, `NAME_add`. */
function branchEnd(
  name: string,
  from: string,
  input: string,
  { layerScale, dropPath, published }: TransformerBlockOptions,
  branch: 1 | 2,
): LayerSpec[] {
  const layers: LayerSpec[] = [];
  let last = from;
  const push = (layer: Omit<LayerSpec, 'from'>): void => {
    layers.push({ ...layer, from: [last] });
    last = layer.name;
  };
  if (layerScale !== undefined) {
    push({
      name: `${name}_scale`,
      config: { type: 'layer-scale', initial: layerScale },
      published: `${published}.gamma_${branch}`,
    });
  }
  if (dropPath > 0) push({ name: `${name}_drop`, config: { type: 'drop-path', rate: dropPath } });
  return [...layers, { name: `${name}_add`, from: [input, last], config: { type: 'add' } }];
}

/** Layer norm. */
export function norm(name: string, from: string, published?: string, epsilon = defaultEpsilon): LayerSpec {
  return { name, from: [from], config: { type: 'layer-norm', epsilon }, published };
}

function dense(name: string, from: string, units: number, published: string, deviation = initialDeviation): LayerSpec {
  return { name, from: [from], config: { type: 'dense', units, deviation }, published };
}
