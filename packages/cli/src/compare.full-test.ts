import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GridResult } from '@retort/report';
import { retort } from './test-support/retort.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-compare-full-'));
afterAll(() => rmSync(folder, { recursive: true }));

const manifest = (epochs: number) => `name: student
backend: wasm
dataset: { use: scenes, classes: 3, size: 16, train: 180, test: 60, batchSize: 16, validation: 0.2 }
student: small-cnn
teachers: [{ id: a, use: run, path: teacher }]
trainer: { use: mtkd, epochs: ${epochs}, weighting: agent }
agent: pg
losses: [{ id: task, use: cross-entropy }, { id: kd, use: kd }]
metrics: [top-1]
run: { checkpoint: { every: 3 steps } }
`;
const teacher = `name: teacher
backend: wasm
dataset: { use: scenes, classes: 3, size: 16, train: 180, test: 60, batchSize: 16 }
student: small-cnn
trainer: { use: mtkd, epochs: 2, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`;
const arms = ['--arm', 'none=trainer.weighting=none', '--arm', 'agent', '--seeds', '1..2', '--no-estimate'];
const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const results = (out: string) =>
  Object.fromEntries(
    readdirSync(join(folder, out, 'runs')).map((name) => {
      const result = JSON.parse(readFileSync(join(folder, out, 'runs', name), 'utf8')) as GridResult;
      const { last, best, validation, weightsByEpoch } = result;
      return [name, { last, best, validation, weightsByEpoch }];
    }),
  );

/** Starts a grid and ends it in the middle of its second run, its children left to themselves or told. */
async function stopInTheMiddle(args: string[], out: string, signal: NodeJS.Signals): Promise<number | null> {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: 'ignore' });
  const done = () => existsSync(join(folder, out, 'runs')) && readdirSync(join(folder, out, 'runs')).length > 0;
  const begun = () =>
    existsSync(join(folder, out, 'work')) &&
    readdirSync(join(folder, out, 'work')).some((name) => {
      const checkpoints = join(folder, out, 'work', name, 'checkpoints');
      return existsSync(checkpoints) && readdirSync(checkpoints).length > 0;
    });
  return new Promise((resolve, reject) => {
    let sent = false;
    const watch = setInterval(() => {
      if (!sent && done() && begun()) sent = child.kill(signal);
    }, 5);
    child.on('close', (code, endedBy) => {
      clearInterval(watch);
      if (sent && (code === 130 || endedBy === signal)) resolve(code);
      else reject(new Error(`ended before it was stopped, code ${code}`));
    });
  });
}

beforeAll(async () => {
  writeFileSync(join(folder, 'teacher.yaml'), teacher);
  writeFileSync(join(folder, 'student.yaml'), manifest(8));
  const trained = await retort(['train', 'teacher.yaml', '--folder', 'teacher'], { cwd: folder });
  if (trained.code !== 0) throw new Error(trained.stderr);
  const whole = await retort(['compare', 'student.yaml', ...arms, '--folder', 'whole'], { cwd: folder });
  if (whole.code !== 0) throw new Error(whole.stderr);
});

describe.each(['SIGKILL', 'SIGINT'] as const)('a grid ended by %s in the middle of a run', (signal) => {
  it('is gone on with and comes to the same numbers, bit for bit', async () => {
    const out = signal.toLowerCase();
    const args = ['compare', 'student.yaml', ...arms, '--folder', out];
    const code = await stopInTheMiddle(args, out, signal);
    if (signal === 'SIGINT') expect(code).toBe(130);
    const made = Object.keys(results(out));
    expect(made.length).toBeLessThan(4);
    const rest = await retort(args, { cwd: folder });
    expect(rest.code).toBe(0);
    // Finished runs are not begun again, and the one in the middle is gone on with.
    for (const name of made) expect(rest.stderr).not.toContain(name.replace('-seed-', ' seed ').replace('.json', ': '));
    expect(rest.stderr).not.toContain('begun again');
    expect(results(out)).toEqual(results('whole'));
  });
});

it('two pools at once share the runs and make none twice', async () => {
  const args = ['compare', 'student.yaml', ...arms, '--folder', 'shared'];
  const pools = await Promise.all([retort(args, { cwd: folder }), retort(args, { cwd: folder })]);
  expect(pools.map(({ code }) => code)).toEqual([0, 0]);
  const finished = pools.flatMap(({ stderr }) => stderr.match(/\w+ seed \d: finished/g) ?? []);
  expect(finished.sort()).toEqual([
    'agent seed 1: finished',
    'agent seed 2: finished',
    'none seed 1: finished',
    'none seed 2: finished',
  ]);
  expect(results('shared')).toEqual(results('whole'));
});

it('a run begun from another manifest is begun again, and said to be', async () => {
  const out = 'changed';
  const args = ['compare', 'student.yaml', ...arms, '--folder', out];
  await stopInTheMiddle(args, out, 'SIGINT');
  rmSync(join(folder, out, 'runs'), { recursive: true });
  const other = await retort([...args, '--set', 'trainer.epochs=1'], { cwd: folder });
  expect(other.code).toBe(0);
  expect(other.stderr).toMatch(
    /begun again, not gone on with: its manifest was another one, trainer\.epochs: 8, now 1/,
  );
});

it('says how long it takes before it begins, and stops at a teacher that is not there', async () => {
  const args = ['compare', 'student.yaml', '--arm', 'agent', '--seeds', '1'];
  const dry = await retort([...args, '--folder', 'dry', '--dry-run'], { cwd: folder });
  expect(dry.code).toBe(0);
  expect(dry.stderr).toMatch(/agent +1 +.* s .*\nabout .* s on this machine with 1 worker\n/);
  expect(existsSync(join(folder, 'dry'))).toBe(false);
  const missing = await retort([...args, '--folder', 'missing', '--set', 'teachers.a.path=nowhere'], { cwd: folder });
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/retort: arm agent: .*nowhere/) });
});

it('an arm that can make its runs again does, once what was wrong is mended', async () => {
  const args = ['compare', 'student.yaml', '--arm', 'agent', '--seeds', '1', '--no-estimate', '--folder', 'mended'];
  writeFileSync(join(folder, 'moved.yaml'), manifest(1).replace('path: teacher', "path: '${RETORT_TEACHER}'"));
  const moved = args.map((argument) => (argument === 'student.yaml' ? 'moved.yaml' : argument));
  const env = (teacher: string) => ({ cwd: folder, env: { RETORT_TEACHER: teacher } });
  expect((await retort(moved, env('nowhere'))).code).toBe(1);
  expect(existsSync(join(folder, 'mended/failed/agent-seed-1.txt'))).toBe(true);
  expect((await retort(moved, env('teacher'))).code).toBe(0);
  expect(existsSync(join(folder, 'mended/failed/agent-seed-1.txt'))).toBe(false);
});

describe('arms that go on from the runs of others', () => {
  const protocol = `manifest: student.yaml
seeds: [0, 1]
baseline: later
arms:
  first: { manifest: teacher.yaml, set: ['dataset.dataSeed=\${seed}'] }
  second: ['teachers.a.path=\${run:first}', 'dataset.dataSeed=\${seed}', trainer.epochs=1]
  later: ['trainer.warmStart=\${run:second}/student/last', 'teachers.a.path=\${run:first}', trainer.epochs=1]
`;

  it('begin when those are finished, with the same seed, and say what they lack when made alone', async () => {
    writeFileSync(join(folder, 'chain.yaml'), protocol);
    const chain = ['compare', 'chain.yaml', '--folder', 'chain', '--no-estimate'];
    const alone = await retort([...chain, '--job', '1'], { cwd: folder });
    expect(alone).toMatchObject({ code: 1 });
    expect(alone.stderr).toContain('it goes on from first-seed-0, which is not finished: job 0');
    const all = await retort([...chain, '--workers', '2'], { cwd: folder });
    expect(all).toMatchObject({ code: 0 });
    expect(Object.keys(results('chain'))).toHaveLength(6);
    const lock = readFileSync(join(folder, 'chain/work/later-seed-1/manifest.lock.yaml'), 'utf8');
    expect(lock).toContain('work/second-seed-1/student/last');
    expect(lock).toContain('work/first-seed-1');
    // What is compared over machines does not name folders of this one.
    expect(readFileSync(join(folder, 'chain/runs/later-seed-1.json'), 'utf8')).toContain('${run:first}');
    rmSync(join(folder, 'chain/work/second-seed-0'), { recursive: true });
    rmSync(join(folder, 'chain/runs/later-seed-0.json'));
    const gone = await retort(chain, { cwd: folder });
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('whose run folder is not on this machine');
  });
});
