/**
 * Runs tfjs-core's own published test suite on a backend, and compares what fails with skipped.json, or on the webgpu provider
 * with skipped-webgpu.json.
 *
 *   node tfjs-suite/run.mjs [onnxruntime|webgpu|cpu] [--only TEXT] [--json FILE] [--failures]
 *
 * --only runs the specs whose name contains the text, --failures prints the message of each failure, --json writes the result of
 * every spec. Exits with 1 when a spec fails that is not listed, or passes though it is; when a kernel of kernels.json ran on
 * tfjs's cpu kernel, or in no spec at all; and when that list is not the list of all kernels with an ONNX form. On cpu nothing is
 * listed.
 */
import { build } from 'esbuild';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const folder = dirname(fileURLToPath(import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, json: { type: 'string' }, failures: { type: 'boolean' } },
});
const provider = positionals[0] === 'webgpu' ? 'webgpu' : 'cpu';
const backend = positionals[0] === 'cpu' ? 'cpu' : 'onnxruntime';

// One bundle for suite, tfjs and backend, so that they share one copy of tfjs-core. tfjs marks its tests as free of side effects,
// hence ignoreAnnotations. It lies where packages are found, and neither git nor a linter looks.
const work = mkdtempSync(join(folder, '../../../node_modules/.tfjs-suite-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
await build({
  stdin: {
    contents: `
      export { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
      import '@tensorflow/tfjs-core/dist/register_all_gradients';
      import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
      import '@tensorflow/tfjs-backend-cpu';
      ${
        backend === 'onnxruntime'
          ? `
      import { register } from '../src/index.ts';
      import { kernels } from '../src/kernels/index.ts';
      export { kernels };
      export const called = new Set();
      for (const each of kernels) {
        const { record } = each;
        each.record = (...args) => (called.add(each.name), record(...args));
      }
      register({ executionProviders: ['${provider}'] });`
          : ''
      }
      export * as tf from '@tensorflow/tfjs-core';
      export const loadTests = () => require('@tensorflow/tfjs-core/dist/tests');
    `,
    resolveDir: folder,
  },
  outfile: join(work, 'suite.cjs'),
  bundle: true,
  ignoreAnnotations: true,
  platform: 'node',
  mainFields: ['module', 'main'],
  conditions: ['@retort/source'],
  external: ['onnxruntime-node', 'onnxruntime-common', 'jasmine-core'],
  // Our sources look for onnxruntime beside themselves.
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: `const importMetaUrl = require('node:url').pathToFileURL(__filename).href;` },
  logLevel: 'error',
});

const require = createRequire(import.meta.url);
const jasmineRequire = require('jasmine-core/lib/jasmine-core/jasmine.js');
const jasmine = jasmineRequire.core(jasmineRequire);
const env = jasmine.getEnv({ suppressLoadErrors: true });
Object.assign(globalThis, jasmineRequire.interface(jasmine, env), { jasmine });
jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000;

const suite = require(join(work, 'suite.cjs'));
suite.setTestEnvs([{ name: 'test', backendName: backend, flags: {}, isDataSync: true }]);
await suite.tf.setBackend(backend);
suite.loadTests();

const results = { passed: [], failed: [], pending: [] };
const messages = new Map();
env.configure({
  random: false,
  failFast: false,
  specFilter: (spec) => !options.only || spec.getFullName().includes(options.only),
});
env.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    if (status === 'excluded') return;
    // The suite disposes the backend and makes it anew now and then.
    if (backend === 'onnxruntime') backends.add(suite.tf.findBackend(backend));
    results[status].push(fullName);
    if (status === 'failed') messages.set(fullName, failedExpectations.map(({ message }) => message).join('\n'));
  },
  suiteDone({ fullName, failedExpectations }) {
    if (failedExpectations.length > 0) {
      results.failed.push(fullName);
      messages.set(fullName, failedExpectations.map(({ message }) => message).join('\n'));
    }
  },
});
const backends = new Set();
const began = performance.now();
await new Promise((resolve) => {
  env.addReporter({ jasmineDone: resolve });
  env.execute();
});

const fallbacks = {};
for (const each of backends)
  for (const [name, count] of each.fallbacks) fallbacks[name] = (fallbacks[name] ?? 0) + count;

const listFile = join(folder, provider === 'cpu' ? 'skipped.json' : `skipped-${provider}.json`);
const listed = backend === 'onnxruntime' && existsSync(listFile) ? JSON.parse(readFileSync(listFile, 'utf8')) : {};
const unlisted = results.failed.filter((name) => !(name in listed));
const passing = results.passed.filter((name) => name in listed);
if (options.failures) for (const [name, message] of messages) console.log(`${name}\n    ${message.slice(0, 600)}\n`);
else for (const name of unlisted) console.log(`fails: ${name}`);
for (const name of passing) console.log(`passes, though ${basename(listFile)} lists it: ${name}`);
if (options.json)
  writeFileSync(
    options.json,
    JSON.stringify({ ...results, messages: Object.fromEntries(messages), fallbacks }, null, 1),
  );
if (backends.size > 0) {
  const counts = Object.entries(fallbacks).sort(([, a], [, b]) => b - a);
  console.log(`on tfjs's cpu kernels: ${counts.map(([name, count]) => `${name} ${count}`).join(', ')}`);
}

// What is listed has to be recorded: strings, complex numbers and empty tensors are counted under names of their own.
const stray = [];
if (backend === 'onnxruntime') {
  const { kernels, elsewhere, host } = JSON.parse(readFileSync(join(folder, 'kernels.json'), 'utf8'));
  const wanted = new Set(Object.values(kernels).flat());
  const recorded = new Set(suite.kernels.map(({ name }) => name));
  for (const name of wanted) {
    if (!recorded.has(name)) stray.push(`${name} has no ONNX form, though kernels.json lists it`);
    else if (fallbacks[name]) stray.push(`${name} ran on tfjs's cpu kernel ${fallbacks[name]} times`);
    else if (!options.only && !suite.called.has(name)) stray.push(`${name} ran in no spec`);
  }
  console.log(`${wanted.size} kernels listed, ${wanted.size - stray.length} of them recorded throughout`);
  for (const name of recorded)
    if (!wanted.has(name) && !(name in elsewhere)) stray.push(`${name} is missing from kernels.json`);
  for (const name of Object.keys(host))
    if (recorded.has(name)) stray.push(`${name} has an ONNX form, though kernels.json leaves it to the host`);
}
for (const line of stray) console.log(line);
console.log(
  `${backend}: ${results.passed.length} passed, ${results.failed.length} failed (${unlisted.length} not listed), ` +
    `${results.pending.length} pending, ${((performance.now() - began) / 1000).toFixed(0)} s`,
);
process.exit(unlisted.length + passing.length + stray.length > 0 ? 1 : 0);
