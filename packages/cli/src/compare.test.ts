import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GridResult } from '@retort/report';
import { retort as retortIn, type RetortOptions } from './test-support/retort.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-compare-'));
  writeFileSync(join(folder, 'tiny.yaml'), tiny);
  writeFileSync(join(folder, 'protocol.yaml'), protocol);
});
afterAll(() => rmSync(folder, { recursive: true }));

const retort = (args: string[], options: Partial<RetortOptions> = {}) => retortIn(args, { cwd: folder, ...options });
const path = (...names: string[]) => join(folder, ...names);
const resultOf = (name: string) => JSON.parse(readFileSync(path('out/runs', name), 'utf8')) as GridResult;

const tiny = `name: tiny
backend: wasm
dataset: { use: scenes, classes: 3, size: 16, train: 96, test: 30, batchSize: 16, validation: 0.2 }
student: { use: small-cnn, width: 4 }
trainer: { use: mtkd, epochs: 2, weighting: none, optimizer: { use: sgd, momentum: 0.9 } }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`;
/** The last arm's loss is not finite from the first steps on. */
const protocol = `manifest: tiny.yaml
name: rates
seeds: 1..2
baseline: slow
arms:
  slow: [trainer.optimizer.learningRate=0.01]
  fast: [trainer.optimizer.learningRate=0.1]
  broken: { set: [trainer.optimizer.learningRate=1e30], seeds: [1] }
`;

describe('retort compare', () => {
  it('makes one run of the list, then the others, and goes on past one that fails', async () => {
    const listed = await retort(['compare', 'protocol.yaml', '--folder', 'out', '--list-jobs']);
    expect(listed.stdout).toBe(
      [
        'job  arm     seed  state',
        '───  ──────  ────  ─────',
        '  0  slow       1  to do',
        '  1  fast       1  to do',
        '  2  broken     1  to do',
        '  3  slow       2  to do',
        '  4  fast       2  to do',
        '',
      ].join('\n'),
    );
    expect(readdirSync(folder).sort()).toEqual(['protocol.yaml', 'tiny.yaml']);

    const one = await retort(['compare', 'protocol.yaml', '--folder', 'out', '--job', '3']);
    expect(one).toMatchObject({ code: 0, stdout: 'out/runs/slow-seed-2.json\n' });
    expect(readdirSync(path('out/runs'))).toEqual(['slow-seed-2.json']);
    const before = readFileSync(path('out/runs/slow-seed-2.json'), 'utf8');

    const all = await retort(['compare', 'protocol.yaml', '--folder', 'out', '--workers', '2', '--no-estimate']);
    expect(all.code).toBe(1);
    expect(all.stderr).toMatch(/broken seed 1: failed: .*not finite/);
    expect(all.stderr).toMatch(/\d\/4 fast seed 2: finished in .* s/);
    expect(all.stdout).toMatch(/\n\| slow \| 2 \| \d+\.\d\d ± \d+\.\d\d \|/);
    expect(all.stdout).toMatch(/\n\| fast − slow \| 2 \| −?\d+\.\d\d \[/);
    expect(all.stdout).toContain('- broken: seed 1 failed.');
    expect(readdirSync(path('out'), { recursive: false }).sort()).toEqual([
      'claims',
      'comparison.csv',
      'comparison.html',
      'comparison.md',
      'failed',
      'runs',
      'runs.csv',
      'work',
    ]);
    expect(readFileSync(path('out/failed/broken-seed-1.txt'), 'utf8')).toContain('not finite');
    expect(readdirSync(path('out/claims'))).toEqual(['.gitignore']);
    // What was there was not made again.
    expect(readFileSync(path('out/runs/slow-seed-2.json'), 'utf8')).toBe(before);

    const result = resultOf('fast-seed-1.json');
    expect(result).toMatchObject({
      arm: 'fast',
      seed: 1,
      version: expect.stringMatching(/^\d+\.\d+/),
      backend: 'wasm',
    });
    expect(result.memoryBytes).toBeGreaterThan(50e6);
    expect(result.seconds).toBeGreaterThan(0);
    expect(result.last['test/top-1']).toBeGreaterThanOrEqual(0);
    expect(result.validation!.epoch).toEqual([1, 2]);
    expect(result.validation!['top-1'][1]).toBeCloseTo(result.last['validation/top-1']!, 4);
    expect(result.manifest).toMatchObject({
      trainer: { optimizer: { learningRate: 0.1, momentum: 0.9, nesterov: false } },
    });
  });

  it('looks at results without making runs, and refuses what does not belong', async () => {
    const summarize = ['compare', 'protocol.yaml', '--folder', 'out', '--summarize-only'];
    const again = await retort([...summarize, '--json']);
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout)).toMatchObject({
      name: 'rates',
      metric: 'test/top-1',
      arms: [
        { name: 'slow', n: 2, values: { last: { n: 2 } } },
        { name: 'fast', n: 2 },
        { name: 'broken', n: 0 },
      ],
      differences: [{ arm: 'fast', values: { last: { n: 2 } } }, { arm: 'broken' }],
      failures: [{ arm: 'broken', seed: 1 }],
    });
    expect(await retort([...summarize, '--metric', 'top1'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no run has measured test/top1; did you mean "test/top-1"?'),
    });

    const changed = await retort(['compare', 'protocol.yaml', '--folder', 'out', '--set', 'trainer.epochs=3']);
    expect(changed.code).toBe(2);
    expect(changed.stderr).toMatch(
      /out\/runs\/slow-seed-1\.json was made from another manifest\n +trainer\.epochs: 2, now 3\n/,
    );

    const file = path('out/runs/fast-seed-2.json');
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.slice(0, 100));
    expect(await retort(summarize)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('out/runs/fast-seed-2.json is damaged'),
    });
    writeFileSync(file, whole.replace('"learningRate": 0.1', '"learningRate": 0.2'));
    expect((await retort(summarize)).stderr).toMatch(
      /fast-seed-2\.json was made from another manifest than out\/runs\/fast-seed-1\.json\n +trainer\.optimizer\.learningRate: 0\.2, now 0\.1/,
    );
    writeFileSync(file, whole.replace('"seed": 2', '"seed": 1'));
    expect((await retort(summarize)).stderr).toContain('fast-seed-2.json is the result of fast with seed 1');
    writeFileSync(file, whole);
  });

  it.each([
    ['no manifest', ['compare'], "missing required argument 'files'"],
    ['a job that is not there', ['compare', 'protocol.yaml', '--job', '5'], '--job 5: there are jobs 0 to 4'],
    ['no workers', ['compare', 'protocol.yaml', '--workers', '0'], 'It must be at least 1.'],
    [
      'an unknown setting',
      ['compare', 'tiny.yaml', '--arm', 'a=trainer.epocs=1'],
      'trainer.epocs: unknown key; did you mean "epochs"?',
    ],
    ['options that exclude one another', ['compare', 'tiny.yaml', '--job', '1', '--list-jobs'], 'cannot be used with'],
    ['nothing to look at', ['compare', 'tiny.yaml', '--summarize-only'], 'runs/compare-tiny holds no results'],
  ])('told %s ends with exit code 2 and writes nothing', async (_, args, message) => {
    const before = readdirSync(folder);
    const { code, stderr } = await retort(args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual(before);
  });
});
