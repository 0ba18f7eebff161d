import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GridResult } from '@retort/report';
import { retort } from './test-support/retort.js';

const manifests = fileURLToPath(new URL('../../../manifests', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'retort-cartpole-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('policy-cartpole.yaml, one seed: a tenth of the parameters acts as well as its teacher, and better than without', async () => {
  for (const name of ['policy-cartpole.yaml', 'policy-cartpole-teacher.yaml', 'policy-cartpole-student.yaml']) {
    cpSync(join(manifests, name), join(folder, name));
  }
  const protocol = readFileSync(join(folder, 'policy-cartpole.yaml'), 'utf8');
  writeFileSync(join(folder, 'policy-cartpole.yaml'), protocol.replace(/^seeds: .*$/m, 'seeds: [1]'));
  const compared = await retort(
    ['compare', 'policy-cartpole.yaml', '--workers', '2', '--folder', 'out', '--no-estimate'],
    { cwd: folder },
  );
  expect(compared).toMatchObject({ code: 0 });
  expect(compared.stdout).toContain('test/return: interquartile mean (IQM)');
  expect(compared.stdout).not.toMatch(/\d%/);
  const [teacher, scratch, student] = ['teacher', 'scratch', 'student'].map(
    (arm) => JSON.parse(readFileSync(join(folder, 'out/runs', `${arm}-seed-1.json`), 'utf8')) as GridResult,
  );
  expect(teacher.best!['test/return']).toBeGreaterThanOrEqual(475);
  expect(student.best!['test/return']).toBeGreaterThanOrEqual(475);
  expect(scratch.best!['test/return']).toBeLessThan(400);
  // Equal environment steps, rounded up to what a step of each log has.
  expect(scratch.seen!.unit).toBe('environment steps');
  const [without, taught] = [scratch, student].map(({ seen }) => seen!.counts.at(-1)!);
  expect(Math.abs(taught / without - 1)).toBeLessThan(0.05);
  expect(readFileSync(join(folder, 'out/comparison.html'), 'utf8')).toMatch(/middle label"[^>]*>environment steps</);

  const { stdout } = await retort(
    ['play', 'out/work/student-seed-1', '--beside', 'out/work/teacher-seed-1', '--gif', 'both.gif', '--json'],
    { cwd: folder },
  );
  const { policies } = JSON.parse(stdout) as { policies: { return: number }[] };
  for (const policy of policies) expect(policy.return).toBeGreaterThan(450);
}, 600_000);
