import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadManifest } from '@retort/core';
import { plugins } from './test-support/compose.js';

const folder = fileURLToPath(new URL('../../../manifests/', import.meta.url));
const data = process.env.RETORT_DATA;
const isOfMtkd = (name: string) => name.endsWith('.yaml') && /^ +use: mtkd$/m.test(readFileSync(folder + name, 'utf8'));

describe('manifests', () => {
  // Nothing of it is read: they are validated, not composed.
  beforeAll(() => void (process.env.RETORT_DATA ??= '/nowhere'));
  afterAll(() => void (data === undefined && delete process.env.RETORT_DATA));

  it.each(readdirSync(folder).filter(isOfMtkd))('%s is valid', async (name) => {
    await expect(loadManifest(folder + name, { plugins })).resolves.toBeDefined();
  });

  it('mtkd-paper and mtkd-reference-code mark the same differences, of one run on the same data, networks and losses', async () => {
    const [paper, code] = ['mtkd-paper', 'mtkd-reference-code'].map((name) =>
      readFileSync(`${folder}${name}.yaml`, 'utf8'),
    );
    const marks = (text: string) => [...new Set([...text.matchAll(/# .*?\[(\d+)\]/g)].map(([, n]) => Number(n)))];
    for (const text of [paper, code]) {
      const found = marks(text.split('\nname:')[1]);
      expect(found.sort((a, b) => a - b)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
    }
    const resolved = async (name: string) =>
      (await loadManifest(`${folder}${name}.yaml`, { plugins })).manifest as unknown as Record<string, unknown>;
    const [one, other] = [await resolved('mtkd-paper'), await resolved('mtkd-reference-code')];
    for (const section of ['dataset', 'student', 'teachers', 'losses', 'metrics']) {
      expect(other[section]).toEqual(one[section]);
    }
  });
});
