// Everything that is slow: statistical tests, packaging, and the examples, the quickstart and the READMEs' code from packed
// tarballs.
//   npm run test:full                           all of it
//   node tools/test-full.mjs packaging example  these parts only, of a workspace that is built
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './release/command.mjs';
import { installTarballs, runDropIn, runExample, runQuickstart } from './release/outside.mjs';
import { packAll } from './release/pack.mjs';
import { checkPackaging } from './release/packaging.mjs';
import { checkReadmes } from './release/readmes.mjs';

/** For everything together. */
const SECONDS = 45 * 60;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const temporary = mkdtempSync(join(tmpdir(), 'retort-full-'));
const began = performance.now();
const secondsSince = (start) => (performance.now() - start) / 1000;
const count = { passed: 0, failed: 0 };

/** Counts one thing that must hold; says nothing when it does. */
async function check(name, body) {
  try {
    await body();
    count.passed++;
  } catch (error) {
    count.failed++;
    console.log(`FAILED ${name}\n${indent(error.message)}`);
  }
}

function indent(text) {
  return text.replace(/^/gm, '  ');
}

/** All `*.full-test.ts`. A test that is skipped counts as failed: it has shown nothing. */
async function slowTests() {
  await check('RETORT_DATA', async () => {
    if (!process.env.RETORT_DATA) {
      throw new Error('the slow tests read real data and models: set RETORT_DATA to their folder');
    }
  });
  const outputFile = join(temporary, 'jest.json');
  const jest = join(root, 'node_modules/jest/bin/jest.js');
  const config = join(root, 'tools/jest.full.mjs');
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  let report;
  await check('jest', async () => {
    const { stderr } = await runCommand(
      process.execPath,
      [...node, jest, '--config', config, '--json', '--outputFile', outputFile, '--silent'],
      { cwd: root, seconds: Math.max(1, SECONDS - secondsSince(began)), anyStatus: true },
    );
    if (!existsSync(outputFile)) throw new Error(`no slow test was run\n${stderr}`);
    report = JSON.parse(readFileSync(outputFile, 'utf8'));
  });
  for (const { name, status, assertionResults, message, startTime, endTime } of report?.testResults ?? []) {
    const file = relative(root, name);
    console.log(`  ${file}: ${plural(assertionResults.length, 'test')}, ${Math.round((endTime - startTime) / 1000)} s`);
    // Of a file that could not be loaded, or whose afterAll threw.
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) {
      await check(file, () => Promise.reject(new Error(message)));
    }
    for (const { fullName, status, failureMessages } of assertionResults) {
      await check(`${file}: ${fullName}`, async () => {
        if (status !== 'passed') throw new Error(told(failureMessages ?? []) || `it was not run (${status})`);
      });
    }
  }
}

/** A failure without the stack frames of the test runner. */
function told(messages) {
  return messages
    .map((message) => message.replace(/\n *at .*node_modules.jest-.*|\n *at .*node:internal.*/g, ''))
    .join('\n');
}

let tarballs;
const pack = () => (tarballs ??= packAll(root, temporary));

let installed;
/** An empty folder outside the workspace with every tarball installed. */
const outside = () =>
  (installed ??= (async () => {
    const folder = join(temporary, 'outside');
    await installTarballs(folder, await pack());
    return folder;
  })());

let started;
/** The same folder after the quickstart. */
const quickstarted = () =>
  (started ??= (async () => {
    const folder = await outside();
    await runQuickstart(folder);
    return folder;
  })());

const parts = {
  slow: slowTests,
  packaging: async () => {
    let packed = [];
    await check('npm pack', async () => void (packed = await pack()));
    await checkPackaging(root, packed, check);
  },
  example: async () => {
    await check('examples/custom-teacher-adapter, from tarballs', async () => runExample(root, await outside()));
    await check('examples/tfjs-drop-in, from tarballs', async () =>
      runDropIn(root, join(temporary, 'tfjs-drop-in'), await pack()),
    );
  },
  quickstart: () => check('retort quickstart, from tarballs', async () => void (await quickstarted())),
  readmes: () => check('READMEs', async () => checkReadmes(root, await quickstarted(), check)),
};

function plural(n, noun) {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
for (const name of asked.length > 0 ? asked : Object.keys(parts)) {
  const start = performance.now();
  await parts[name]();
  console.log(`${name}: ${Math.round(secondsSince(start))} s`);
}
await check('time', async () => {
  if (secondsSince(began) > SECONDS) throw new Error(`took longer than ${SECONDS / 60} minutes`);
});
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 ? 1 : 0;
