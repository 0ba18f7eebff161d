import { Registry } from '@retort/core';
import { plugin } from './index.js';

it('registers its losses with a description for every option', () => {
  const parts = new Registry().use(plugin).list('loss');
  expect(parts.map(({ part }) => part.name)).toEqual([
    'cross-entropy',
    'kd',
    'dkd',
    'dist',
    'fitnet',
    'spatial-kl',
    'attention-transfer',
    'cosine',
    'rkd',
    'nd',
    'info-nce',
    'clip-feature',
    'interactive-contrastive',
    'relational-contrastive',
    'sequence-cross-entropy',
    'sequence-forward-kl',
    'sequence-reverse-kl',
    'sequence-jsd',
    'box',
    'policy-nll',
    'policy-kl',
    'policy-mean',
    'action-value',
    'value',
    'advantages',
  ]);
  for (const { part } of parts) {
    for (const option of Object.values(part.options.shape)) expect(option.description).toMatch(/\.$/);
  }
});
