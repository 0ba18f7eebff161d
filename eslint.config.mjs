import eslint from '@eslint/js';
import { readdirSync } from 'node:fs';
import tseslint from 'typescript-eslint';

/** Which packages of ours each package may import: core and nn for all, and these beside them (docs/architecture.md). */
const doors = {
  core: [],
  nn: ['core'],
  teachers: ['core', 'nn', 'models'],
  cli: readdirSync(new URL('packages', import.meta.url)),
};

const forbidden = {
  properties: [
    { object: 'Math', property: 'random', message: 'Draw from a named stream of Seeds.' },
    ...[
      'randomNormal',
      'randomUniform',
      'randomUniformInt',
      'truncatedNormal',
      'randomGamma',
      'multinomial',
      'dropout',
    ].map((property) => ({ object: 'tf', property, message: 'Unseeded: draw on the host from a stream of Seeds.' })),
    ...['grads', 'valueAndGrads', 'grad', 'valueAndGrad'].map((property) => ({
      object: 'tf',
      property,
      message: 'Nested tfjs gradients are silently wrong; use tf.variableGrads at the top of a step.',
    })),
  ],
};

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.nx/**'] },
  eslint.configs.recommended,
  ...tseslint.configs.recommended,
  {
    rules: {
      'no-restricted-properties': ['error', ...forbidden.properties],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'console',
          'process',
          'URL',
          'Buffer',
          'performance',
          'setTimeout',
          'clearTimeout',
          'setImmediate',
          'fetch',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  ...readdirSync(new URL('packages', import.meta.url)).map((name) => ({
    files: [`packages/${name}/src/**/*.ts`],
    ignores: ['**/*.test.ts', '**/*.full-test.ts', '**/bench/**', '**/test-support/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: [
                '@retort/*',
                ...(doors[name] ?? ['core', 'nn']).map((door) => `!@retort/${door}`),
                '@retort-tools/*',
              ],
              message: `packages/${name} may import ${(doors[name] ?? ['core', 'nn']).join(', ') || 'no package of ours'} only (docs/architecture.md).`,
            },
            ...(name === 'core' || name === 'cli'
              ? []
              : [{ group: ['tsyringe', 'reflect-metadata'], message: 'Only core and the cli know the container.' }]),
          ],
        },
      ],
    },
  })),
  {
    files: ['**/*.test.ts', '**/*.full-test.ts', 'tools/testing/**/*.ts'],
    rules: { 'no-restricted-properties': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
);
