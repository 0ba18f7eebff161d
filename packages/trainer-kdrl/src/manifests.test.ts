import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadManifest } from '@retort/core';
import { plugins } from './test-support/compose.js';

const folder = fileURLToPath(new URL('../../../manifests/', import.meta.url));
const data = process.env.RETORT_DATA;
const isOfKdrl = (name: string) => name.endsWith('.yaml') && /^ +use: kdrl$/m.test(readFileSync(folder + name, 'utf8'));

describe('manifests of kdrl', () => {
  // Nothing of it is read: they are validated, not composed.
  beforeAll(() => void (process.env.RETORT_DATA ??= '/nowhere'));
  afterAll(() => void (data === undefined && delete process.env.RETORT_DATA));

  it.each(readdirSync(folder).filter(isOfKdrl))('%s is valid', async (name) => {
    await expect(loadManifest(folder + name, { plugins })).resolves.toBeDefined();
  });
});
