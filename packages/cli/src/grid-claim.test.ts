import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { claim, holderOf } from './grid-claim.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-claim-'));
const file = join(folder, 'job.json');
afterEach(() => rmSync(file, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (host: string, pid: number) => writeFileSync(file, JSON.stringify({ host, pid }));
/** The process number of a process that has ended. */
const ended = spawnSync(process.execPath, ['-e', '']).pid;
const never = () => expect(true).toBe(false);

describe('claim', () => {
  it('is given once until it is given back', () => {
    const release = claim(file, never)!;
    write('elsewhere', 7);
    expect(claim(file, never)).toBeUndefined();
    expect(holderOf(file)).toEqual({ host: 'elsewhere', pid: 7 });
    release();
    expect(existsSync(file)).toBe(false);
    const again = claim(file, never);
    expect(again).toBeDefined();
    again!();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a running process here is left alone, of one that has ended taken over', () => {
    write(hostname(), process.ppid);
    expect(claim(file, never)).toBeUndefined();
    write(hostname(), ended);
    expect(holderOf(file)).toBeUndefined();
    claim(file, never)!();
  });

  it('of another machine is left alone until it has shown no life for five minutes', () => {
    write('elsewhere', ended);
    expect(claim(file, never)).toBeUndefined();
    const fourMinutesAgo = Date.now() / 1000 - 240;
    utimesSync(file, fourMinutesAgo, fourMinutesAgo);
    expect(claim(file, never)).toBeUndefined();
    utimesSync(file, fourMinutesAgo - 120, fourMinutesAgo - 120);
    claim(file, never)!();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is one that was just made, without its text, alive', () => {
    writeFileSync(file, '');
    expect(claim(file, never)).toBeUndefined();
  });

  it('given back after it was taken over leaves the new one alone', () => {
    const release = claim(file, never)!;
    rmSync(file);
    write('elsewhere', 7);
    release();
    expect(existsSync(file)).toBe(true);
  });

  it('that another process has taken over meanwhile is noticed at the next sign of life', () => {
    const { jest: timers } = import.meta as unknown as { jest: typeof jest };
    timers.useFakeTimers();
    try {
      let lost = 0;
      const release = claim(file, () => lost++)!;
      timers.advanceTimersByTime(60_000);
      // One more byte every half minute.
      expect(readFileSync(file, 'utf8')).toMatch(/^\{.*\}\n\n\n$/);
      expect(holderOf(file)).toBeUndefined(); // of this very process, it would be of an earlier life
      rmSync(file);
      write('elsewhere', 7);
      expect(lost).toBe(0);
      timers.advanceTimersByTime(30_000);
      expect(lost).toBe(1);
      release();
      timers.advanceTimersByTime(300_000);
      expect(lost).toBe(1);
      expect(holderOf(file)).toEqual({ host: 'elsewhere', pid: 7 });
    } finally {
      timers.useRealTimers();
    }
  });
});
