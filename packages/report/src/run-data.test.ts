import { InputError } from '@retort/core';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRun } from './run-data.js';
import { syntheticRun, writeRunFolder } from './test-support/synthetic-run.js';

let folder: string;
const run = syntheticRun({ epochs: 3 });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-report-'));
  writeRunFolder(run, folder);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('readRun', () => {
  it('reads manifest and log', () => {
    expect(readRun(folder)).toEqual({ ...run, folder });
  });

  it('leaves out a last line that a kill cut off, and lines that are no events', () => {
    const log = join(folder, 'metrics.jsonl');
    truncateSync(log, readFileSync(log).length - 10);
    expect(readRun(folder).events).toEqual(run.events.slice(0, -1));
    appendFileSync(log, '\n17\nnull\n"text"\n{}\n');
    expect(readRun(folder).events).toEqual(run.events.slice(0, -1));
  });

  it('tells a manifest that was edited, and reads the log all the same', () => {
    appendFileSync(join(folder, 'manifest.lock.yaml'), '# edited\n');
    const damaged = readRun(folder);
    expect(damaged.manifest).toBeUndefined();
    expect(damaged.problems).toEqual([expect.stringMatching(/damaged or was edited/)]);
    expect(damaged.events).toHaveLength(run.events.length);
  });

  it('reads a run that has logged nothing', () => {
    writeFileSync(join(folder, 'metrics.jsonl'), '');
    expect(readRun(folder).events).toEqual([]);
    rmSync(join(folder, 'metrics.jsonl'));
    expect(readRun(folder).events).toEqual([]);
  });

  it('refuses a folder that holds no run', () => {
    expect(() => readRun(tmpdir())).toThrow(InputError);
  });
});
