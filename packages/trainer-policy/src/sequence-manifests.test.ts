import { fileURLToPath } from 'node:url';
import { loadManifest } from '@retort/core';
import { sequencePlugins as plugins } from './test-support/sequence-run.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

it.each([
  'manifests/sequence-teacher.yaml',
  'manifests/sequence-grpo.yaml',
  'docs/results/sequence-grpo/teacher.yaml',
  'docs/results/sequence-grpo/student.yaml',
])('%s is valid', async (name) => {
  await expect(loadManifest(root + name, { plugins })).resolves.toBeDefined();
});
