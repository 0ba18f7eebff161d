// The slow and statistical tests of all packages in one run: `*.full-test.ts`.
import { fileURLToPath } from 'node:url';
import preset from '../jest.preset.mjs';

export default {
  ...preset,
  rootDir: fileURLToPath(new URL('..', import.meta.url)),
  testMatch: ['<rootDir>/packages/*/src/**/*.full-test.ts', '<rootDir>/tools/generators/src/**/*.full-test.ts'],
  testTimeout: 30 * 60_000,
  maxWorkers: 2,
};
