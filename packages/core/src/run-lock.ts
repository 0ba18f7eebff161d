import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from './errors.js';
import { diskError } from './files.js';

interface Holder {
  pid: number;
  bootId: string;
  /** Clock ticks since boot at which the process started; tells a reused pid from the holder. */
  started: string;
}

/**
 * Keeps a second process out of a run folder. The lock of a process that was killed, or of an earlier boot, is taken over.
 *
 * @returns a function that gives the lock back
 * @throws InputError naming the holder
 */
export function lockRunFolder(folder: string): () => void {
  const path = join(folder, 'run.lock');
  for (let attempt = 0; ; attempt++) {
    try {
      const file = openSync(path, 'wx');
      writeSync(file, JSON.stringify(holderOf(process.pid)));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw diskError(path, error);
    }
    const holder = readHolder(path);
    if (attempt > 0 || (holder && isAlive(holder))) {
      throw new InputError(`${folder} is in use by process ${holder?.pid ?? 'unknown'}`, {
        hints: ['wait for it, stop it, or give this run another folder (run.folder)'],
      });
    }
    rmSync(path, { force: true });
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined; // killed between creating and writing it
  }
}

function holderOf(pid: number): Holder {
  return { pid, bootId: readText('/proc/sys/kernel/random/boot_id'), started: startOf(pid) };
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const current = holderOf(holder.pid);
  return current.bootId === holder.bootId && current.started === holder.started;
}

/** Field 22 of /proc/PID/stat; empty where there is no /proc, which leaves the pid alone to decide. */
function startOf(pid: number): string {
  return (
    readText(`/proc/${pid}/stat`)
      .replace(/^.*\) /, '')
      .split(' ')[19] ?? ''
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
