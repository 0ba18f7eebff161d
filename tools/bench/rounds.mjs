/** What the benchmarks share: arms as processes, rounds that interleave them, ratios with their spread, tables of a page. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, resolve } from 'node:path';

/** Runs a program and reads the JSON of its last line. @throws Error with what it printed when it fails */
export async function runArm(command, args, { env = {} } = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (err += text));
  const status = await new Promise((done, fail) => child.on('error', fail).on('close', done));
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${err}${out}`);
  return JSON.parse(out.trim().split('\n').at(-1));
}

/**
 * Runs every arm once a round, one after the other, so that a ratio within a round shares the machine's mood.
 *
 * @param arms functions by name
 * @returns results by name, one per round
 */
export async function runRounds(arms, rounds, describe) {
  const results = Object.fromEntries(Object.keys(arms).map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, run] of Object.entries(arms)) {
      const result = await run();
      results[name].push(result);
      console.error(`${round}/${rounds}  ${name.padEnd(34)} ${describe(result)}`);
    }
  }
  return results;
}

/** Median, lowest and highest. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, low: sorted[0], high: sorted.at(-1) };
}

/** a / b round by round. */
export function ratio(a, b, of) {
  return spread(a.map((result, round) => of(result) / of(b[round])));
}

/** 1.23 (1.20–1.31) */
export function written({ median, low, high }, digits = 2) {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

/** A Markdown table; the first column is text, the others are numbers. Empty without rows. */
export function table(head, rows) {
  if (rows.length === 0) return '';
  const width = (column) => Math.max(...[head, ...rows].map((row) => row[column].length), 3);
  const line = (row) =>
    `| ${row.map((cell, i) => (i ? cell.padStart(width(i)) : cell.padEnd(width(i)))).join(' | ')} |`;
  const rule = head.map((_, i) => (i ? `${'-'.repeat(width(i) - 1)}:` : '-'.repeat(width(i))));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** What a figure depends on. */
export function machine() {
  const git = (...args) => spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout?.trim();
  // The page of results does not count: a benchmark before this one may have written it.
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '../../packages', '..');
  const commit = `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${changed ? ' with changes' : ''}`;
  return `${cpus()[0].model}, ${availableParallelism()} cores; Node ${process.version}; commit ${commit}`;
}

export function writeJson(file, content) {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ machine: machine(), ...content }, null, 1)}\n`);
}

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->` of a page. */
export function writeSection(page, name, text) {
  const file = resolve(page);
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const before = readFileSync(file, 'utf8');
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`);
  writeFileSync(file, `${before.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${before.slice(to)}`);
}

/** The names of a comma-separated option. Leaves the process with 2 when one is not known. */
export function chosen(option, text, known) {
  const names = text.split(',');
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`--${option}: no ${unknown.join(', ')}; there are ${known.join(', ')}`);
    process.exit(2);
  }
  return names;
}

/** Why PyTorch cannot be measured, or undefined. */
export function torchMissing(python) {
  const { status, error } = spawnSync(python, ['-c', 'import torch'], { encoding: 'utf8' });
  if (status === 0) return undefined;
  const why = error ? `${python} cannot be run` : `${python} has no torch`;
  return `PyTorch is left out: ${why}. On Debian: apt-get install python3-torch libopenblas0-pthread`;
}
