import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * The protocol of docs/results/agent-learning.md, whole: five seeds that no option was chosen on. Bounds are those of the
 * specification; intervals are Student's t over seeds.
 */
const seeds = [11, 12, 13, 14, 15];
/** 97.5 % quantile of Student's t with 4 degrees of freedom. */
const t = 2.776;

interface SeedResult {
  teacherAccuracy: number[][];
  students: Record<string, { accuracy: number; competent?: number }>;
}

const script = fileURLToPath(new URL('../../../tools/experiments/agent-learning.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'retort-agent-learning-'));
const results: SeedResult[] = [];

beforeAll(async () => {
  const queue = [...seeds];
  const worker = async () => {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const file = join(folder, `seed-${seed}.json`);
      await promisify(execFile)(process.execPath, [script, String(seed), file]);
      results.push(JSON.parse(readFileSync(file, 'utf8')) as SeedResult);
    }
  };
  await Promise.all([worker(), worker()]);
}, 30 * 60_000);

function summary(values: number[]): { mean: number; low: number; high: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const half = t * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}

const competent = (name: string) => summary(results.map(({ students }) => students[name].competent!));
const gain = (name: string) =>
  summary(results.map(({ students }) => students[name].accuracy - students.equal.accuracy));

describe('the agent learns which teacher is competent', () => {
  it('has teachers that are specialists', () => {
    for (const { teacherAccuracy } of results) {
      teacherAccuracy.forEach((row, m) => {
        expect(row[m]).toBeGreaterThan(0.85);
        expect(row[(m + 1) % 3]).toBeLessThan(0.4);
        expect(row[(m + 2) % 3]).toBeLessThan(0.4);
      });
    }
  });

  it.each(['pg', 'ppo', 'ddpg'])('%s: weight on the competent teacher is at least 0.60', (use) => {
    expect(competent(use).low).toBeGreaterThanOrEqual(0.6);
  });

  it.each(['pg', 'ppo', 'ddpg'])('%s: at least 0.50 without CE and KL in the state', (use) => {
    expect(competent(`${use}, no CE or KL in the state`).low).toBeGreaterThanOrEqual(0.5);
  });

  it.each(['pg', 'ppo', 'ddpg'])('%s: 1/3 ± 0.05 when rewards are permuted over teachers', (use) => {
    expect(Math.abs(competent(`${use}, rewards permuted`).mean - 1 / 3)).toBeLessThanOrEqual(0.05);
  });

  it.each(['pg', 'ppo', 'ddpg'])('%s: the student ends above equal weighting', (use) => {
    expect(gain(use).mean).toBeGreaterThan(0);
  });
});
