import type { LayerSpec } from './network-spec.js';

/**
 * What networks end in: layers `pool`, the global average, and `logits`.
 *
 * @param published what the dense layer is called in published weights
 */
export function classifier(from: string, classes: number, published?: string): LayerSpec[] {
  return [
    { name: 'pool', from: [from], config: { type: 'global-average-pool' } },
    { name: 'logits', from: ['pool'], config: { type: 'dense', units: classes }, published },
  ];
}
