import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '@retort/core';
import { readGridResult } from './grid-result.js';
import { syntheticResult } from './test-support/synthetic-grid.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-grid-result-'));
const file = join(folder, 'a-seed-1.json');
afterAll(() => rmSync(folder, { recursive: true }));

it('reads back what was written, and nothing else it does not know', () => {
  const result = syntheticResult({ arm: 'a', seed: 1, last: 0.5, epochs: 2, teachers: ['t'] });
  writeFileSync(file, JSON.stringify({ ...result, later: 'addition' }));
  expect(readGridResult(file)).toEqual(result);
});

it.each([
  ['cut off', '{"arm": "a", "se', /JSON/],
  ['without results', '{"arm": "a", "seed": 1, "machine": "m", "backend": "b", "seconds": 1}', /last: /],
  ['of another kind', '[1]', /the whole: /],
])('refuses a file that is %s, by name', (_, text, why) => {
  writeFileSync(file, text);
  expect(() => readGridResult(file)).toThrow(InputError);
  expect(() => readGridResult(file)).toThrow(why);
  expect(() => readGridResult(file)).toThrow(`${file} is damaged`);
});
