import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError, writeWhole } from '@retort/core';
import { type GridResult, readGridResult } from '@retort/report';
import { armsNeeded, differsBySeed } from './grid-placeholders.js';
import { manifestDifferences } from './manifest-differences.js';
import type { Arm } from './grid-protocol.js';

/** One run of the grid: an arm with a seed. */
export interface Job {
  /** 0-based, the same for everybody who has the protocol. */
  number: number;
  arm: Arm;
  seed: number;
  /** `ARM-seed-SEED`, in names of files. */
  id: string;
}

/** Every run, seed by seed, so that pairs are complete early. */
export function jobsOf(arms: readonly Arm[]): Job[] {
  const seeds = [...new Set(arms.flatMap((arm) => arm.seeds))].sort((a, b) => a - b);
  return seeds
    .flatMap((seed) => arms.filter((arm) => arm.seeds.includes(seed)).map((arm) => ({ arm, seed })))
    .map(({ arm, seed }, number) => ({ number, arm, seed, id: `${arm.name}-seed-${seed}` }));
}

/** The jobs that one goes on from. */
export function jobsNeeded({ arm, seed }: Job, jobs: readonly Job[]): Job[] {
  const names = armsNeeded(arm.settings);
  return jobs.filter((other) => other.seed === seed && names.includes(other.arm.name));
}

/** Why a job cannot begin for want of the runs it goes on from; undefined when it can. */
export function whyNotReady(job: Job, jobs: readonly Job[], folder: GridFolder): string | undefined {
  for (const needed of jobsNeeded(job, jobs)) {
    if (!existsSync(folder.result(needed)))
      return `it goes on from ${needed.id}, which is not finished: job ${needed.number}`;
    if (!existsSync(join(folder.work(needed), 'student'))) {
      return `it goes on from ${needed.id}, whose run folder is not on this machine; remove ${folder.result(needed)} to have it made again`;
    }
  }
  return undefined;
}

/** Where a grid keeps everything, by job. */
export interface GridFolder {
  path: string;
  /** Of a finished run: one file, written whole. */
  result(job: Job): string;
  /** The error of one that failed. */
  failure(job: Job): string;
  /** There while a process is at it. */
  claim(job: Job): string;
  /** The run folder. */
  work(job: Job): string;
}

export function gridFolder(path: string): GridFolder {
  return {
    path,
    result: ({ id }) => join(path, 'runs', `${id}.json`),
    failure: ({ id }) => join(path, 'failed', `${id}.txt`),
    claim: ({ id }) => join(path, 'claims', `${id}.json`),
    work: ({ id }) => join(path, 'work', id),
  };
}

/** Makes its folders. What is at work in it, and only there, is left out of git. */
export function prepareGridFolder({ path }: GridFolder): void {
  for (const name of ['runs', 'failed', 'claims', 'work']) mkdirSync(join(path, name), { recursive: true });
  for (const name of ['claims', 'work']) replaceFile(join(path, name, '.gitignore'), '*\n');
}

/** As `writeWhole`, for files that several processes write at a time. */
export function replaceFile(file: string, text: string): void {
  const mine = `${file}.${hostname()}-${process.pid}`;
  writeWhole(mine, text);
  renameSync(mine, file);
}

/**
 * The results that are there, by job id.
 *
 * @param manifests what each arm's runs are made from now, by arm; without it, results of an arm must agree with one another
 * @throws InputError for a file that is damaged, is another run's, or was made from another manifest
 */
export function readResults(
  folder: GridFolder,
  jobs: readonly Job[],
  manifests?: ReadonlyMap<string, unknown>,
): Map<string, GridResult> {
  const results = new Map<string, GridResult>();
  const firsts = new Map<string, { file: string; result: GridResult }>();
  for (const job of jobs) {
    const file = folder.result(job);
    if (!existsSync(file)) continue;
    const result = readGridResult(file);
    if (result.arm !== job.arm.name || result.seed !== job.seed) {
      throw new InputError(`${file} is the result of ${result.arm} with seed ${result.seed}`, {
        hints: ['give it back its name, or remove it'],
      });
    }
    const first = firsts.get(job.arm.name) ?? { file, result };
    firsts.set(job.arm.name, first);
    refuseOtherManifest(file, result, manifests ? manifests.get(job.arm.name) : first.result.manifest, first.file);
    if (!differsBySeed(job.arm.settings)) refuseOtherTeachers(file, result, first);
    results.set(job.id, result);
  }
  return results;
}

function refuseOtherManifest(
  file: string,
  { manifest, version, commit }: GridResult,
  now: unknown,
  first: string,
): void {
  if (manifest === undefined && now !== undefined) {
    throw new InputError(`${file} does not say which manifest it was made from`, {
      hints: ['move it away to have that run made again, or look at what is there with --summarize-only'],
    });
  }
  const differences = manifestDifferences(manifest, now);
  if (differences.length === 0) return;
  const made = [version && `version ${version}`, commit && `commit ${commit}`].filter(Boolean).join(', ');
  throw new InputError(`${file} was made from another manifest${first === file ? '' : ` than ${first}`}`, {
    hints: [
      ...differences,
      ...(made ? [`it was made by ${made}`] : []),
      'choose another --folder, or move it away to have that run made again',
    ],
  });
}

function refuseOtherTeachers(
  file: string,
  { fingerprints }: GridResult,
  first: { file: string; result: GridResult },
): void {
  const teachers = Object.entries(fingerprints ?? {}).filter(([what]) => what.startsWith('teacher '));
  const other = teachers.find(
    ([what, fingerprint]) => (first.result.fingerprints?.[what] ?? fingerprint) !== fingerprint,
  );
  if (!other) return;
  throw new InputError(`${file} was taught by another ${other[0]} than ${first.file}`, {
    hints: ['the files of that teacher have changed in between; bring them back and move that result away'],
  });
}

/** The errors of runs that failed and have not been made since. */
export function readFailures(folder: GridFolder, jobs: readonly Job[]): { arm: string; seed: number; error: string }[] {
  return jobs
    .filter((job) => existsSync(folder.failure(job)) && !existsSync(folder.result(job)))
    .map((job) => ({ arm: job.arm.name, seed: job.seed, error: readFileSync(folder.failure(job), 'utf8').trim() }));
}

/** Result files that belong to no job, such as of an arm that was taken out. */
export function strayResults(folder: GridFolder, jobs: readonly Job[]): string[] {
  const runs = join(folder.path, 'runs');
  if (!existsSync(runs)) return [];
  const known = new Set(jobs.map(({ id }) => `${id}.json`));
  return readdirSync(runs).filter((name) => name.endsWith('.json') && !name.startsWith('.') && !known.has(name));
}

export function removeFailure(folder: GridFolder, job: Job): void {
  rmSync(folder.failure(job), { force: true });
}
