import { spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type MetricValue, readLog, RunError } from '@retort/core';
import { writeReport } from '@retort/report';
import { INTERRUPTED, interruptible } from '../interrupt.js';
import { shipped } from '../shipped.js';
import type { Terminal } from '../terminal.js';
import { duration, percent, table } from '../text.js';

/** A `retort train` in a process of its own. */
interface Job {
  name: string;
  manifest: string;
  set: string[];
}

/** Each teacher is good at three of nine classes, has seen three under random labels and three not at all. */
const teachers: Job[] = ['a', 'b', 'c'].map((letter, m) => ({
  name: `teacher-${letter}`,
  manifest: 'teacher.yaml',
  set: [`seed=${m + 1}`, `dataset.randomLabels=[${block(m + 1)}]`, `dataset.without=[${block(m + 2)}]`],
}));

const students: Job[] = [
  { name: 'baseline', manifest: 'student.yaml', set: ['trainer.weighting=none'] },
  { name: 'equal', manifest: 'student.yaml', set: ['trainer.weighting=equal'] },
  { name: 'agent', manifest: 'student.yaml', set: [] },
];

/** Class numbers of one of three blocks. */
function block(m: number): string {
  const first = (m % 3) * 3;
  return [first, first + 1, first + 2].join(', ');
}

export async function quickstart(
  folder: string,
  { overwrite = false }: { overwrite?: boolean },
  terminal: Terminal,
): Promise<number> {
  const began = performance.now();
  mkdirSync(folder, { recursive: true });
  for (const file of ['teacher.yaml', 'student.yaml']) {
    if (overwrite || !existsSync(join(folder, file)))
      copyFileSync(shipped(`manifests/quickstart/${file}`), join(folder, file));
  }
  terminal.note(
    `Three teachers on generated images of nine classes, then three students. Everything goes to ${folder}.\n`,
  );
  const stopped = await interruptible(
    () => terminal.note('stopping after a checkpoint of each run; Ctrl-C again stops at once'),
    async (signal) => {
      for (const jobs of [teachers, students]) await runAll(jobs, folder, overwrite, terminal, signal);
      return signal.aborted;
    },
  );
  if (stopped) {
    process.stderr.write(`\ninterrupted. Go on with:\n  retort quickstart ${folder}\n`);
    return INTERRUPTED;
  }
  const report = join(folder, 'report.html');
  writeReport(
    students.map(({ name }) => join(folder, name)),
    report,
  );
  const results = Object.fromEntries(students.map(({ name }) => [name, resultsOf(join(folder, name))]));
  if (terminal.json) terminal.print(JSON.stringify({ results, report }, undefined, 2));
  else terminal.print(`\n${comparison(results)}`);
  terminal.note(`\nreport   ${report}\ntook ${duration((performance.now() - began) / 1000)}`);
  return 0;
}

type Results = Record<string, Record<string, MetricValue>>;

function comparison(results: Record<string, Results>): string {
  const cell = (name: string, metric: string) => {
    const value = results[name].last?.[metric];
    return typeof value === 'number' ? percent(value) : '–';
  };
  return table(
    ['student', 'teachers weighted', 'test accuracy', 'calibration error'],
    [
      ['baseline', 'no teachers'],
      ['equal', 'equally'],
      ['agent', 'by the agent'],
    ].map(([name, how]) => [name, how, cell(name, 'test/top-1'), cell(name, 'test/calibration-error')]),
    [2, 3],
  );
}

/** What a finished run came to; nothing when it has not finished. */
function resultsOf(folder: string): Results {
  const last = readLog(folder).at(-1);
  return last?.type === 'run-end' && last.status === 'finished' ? last.results : {};
}

/** Runs jobs side by side, as many as there are processors. Once one fails no further one is begun. */
async function runAll(
  jobs: Job[],
  folder: string,
  overwrite: boolean,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const waiting = [...jobs];
  let failure: unknown;
  const work = async () => {
    for (let job = waiting.shift(); job && !signal.aborted && !failure; job = waiting.shift()) {
      try {
        await runJob(job, folder, overwrite, terminal, signal);
      } catch (error) {
        failure ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs.length, cpus().length) }, work));
  if (failure) throw failure;
}

/** Trains one job, or goes on with it, or leaves it alone when it is finished. */
async function runJob(
  { name, manifest, set }: Job,
  folder: string,
  overwrite: boolean,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const path = join(folder, name);
  const begun = !overwrite && existsSync(join(path, 'manifest.lock.yaml'));
  if (begun && Object.keys(resultsOf(path)).length > 0) return terminal.note(`${name}: is there already`);
  const settings = [`name=${name}`, ...set].flatMap((setting) => ['--set', setting]);
  const command = begun
    ? ['resume', path]
    : ['train', join(folder, manifest), '--folder', path, ...settings, ...(overwrite ? ['--overwrite'] : [])];
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  // A process group of its own, so that Ctrl-C reaches it through us and once only.
  const child = spawn(process.execPath, [main, ...command], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  const forward = () => child.kill('SIGINT');
  const killed = () => child.kill('SIGKILL');
  signal.addEventListener('abort', forward);
  process.once('exit', killed);
  try {
    const { code, lines } = await watch(child, (line) => terminal.note(`${name.padEnd(9)} │ ${line}`));
    if (code === 0 || signal.aborted) return;
    throw new RunError(`${name} failed`, { hints: lines.slice(-4).map((line) => line.replace(/^retort: /, '')) });
  } finally {
    signal.removeEventListener('abort', forward);
    process.off('exit', killed);
  }
}

/** Follows a child's lines to its end; those that say how a single run goes on are left out. */
function watch(child: ChildProcess, tell: (line: string) => void): Promise<{ code: number | null; lines: string[] }> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lines.push(line);
      if (/^epoch|warning/.test(line.trim())) tell(line.trim());
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, lines }));
  });
}
