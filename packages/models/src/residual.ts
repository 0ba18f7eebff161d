import { convNorm, type PublishedPair } from './conv-norm.js';
import type { LayerSpec } from './network-spec.js';

interface ResidualOptions {
  filters: number;
  stride: number;
  /** Whether the block changes the shape; its input then goes through a projection, `NAME_shortcut`. */
  changes: boolean;
  /** What the projection is called in published weights. */
  published?: PublishedPair;
}

/**
 * The end of a residual block: layers `NAME_add` and `NAME_relu` (He et al. 2016).
 *
 * @param from the block's last layer
 * @param input what the block was given
 */
export function residual(
  name: string,
  from: string,
  input: string,
  { filters, stride, changes, published }: ResidualOptions,
): LayerSpec[] {
  return [
    ...(changes ? convNorm(`${name}_shortcut`, input, { filters, size: 1, stride }, published) : []),
    { name: `${name}_add`, from: [from, changes ? `${name}_shortcut_norm` : input], config: { type: 'add' } },
    { name: `${name}_relu`, from: [`${name}_add`], config: { type: 'relu' } },
  ];
}
