import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';

/** Milliseconds between two signs of life. */
const beat = 30_000;

/** Milliseconds without one after which a claim counts for nothing: many beats, since file systems of a network hold them back. */
const staleAfter = 300_000;

/** Who is at a job. */
export interface Holder {
  host: string;
  pid: number;
}

/**
 * Claims a job for this process, against others on this machine and on others that share the disk. The holder appends to its
 * file every half minute. The claim of a process that has ended on this machine, or that has shown no life for five minutes, is
 * taken over.
 *
 * @param file in a folder that is there
 * @param onLost called when another process has taken it over, because this one was held up for long
 * @returns a function that gives it back; undefined when another process has it
 */
export function claim(file: string, onLost: () => void): (() => void) | undefined {
  for (let attempt = 0; attempt < 2; attempt++) {
    const handle = create(file);
    if (handle !== undefined) return keep(file, handle, onLost);
    if (holderOf(file)) return undefined;
    setAside(file);
  }
  return undefined;
}

/** Who holds a claim and is alive; undefined when nobody does. */
export function holderOf(file: string): Holder | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (diskTime(dirname(file)) - statSync(file).mtimeMs > staleAfter) return undefined;
    const holder = parseHolder(text);
    // One of this very process is of an earlier life: containers have the same few process numbers every time.
    const ended = holder.pid === process.pid || !isRunning(holder.pid);
    return holder.host === hostname() && ended ? undefined : holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A handle to a new file, or undefined when there is one. */
function create(file: string): number | undefined {
  try {
    const handle = openSync(file, 'wx');
    writeSync(handle, `${JSON.stringify({ host: hostname(), pid: process.pid } satisfies Holder)}\n`);
    return handle;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

function keep(file: string, handle: number, onLost: () => void): () => void {
  let open = true;
  const stop = () => {
    clearInterval(timer);
    if (open) closeSync(handle);
    open = false;
  };
  const timer = setInterval(() => {
    if (isStillThere(file, handle)) return void writeSync(handle, '\n');
    stop();
    onLost();
  }, beat);
  timer.unref();
  return () => {
    const mine = open && isStillThere(file, handle);
    stop();
    if (mine) rmSync(file, { force: true });
  };
}

function isStillThere(file: string, handle: number): boolean {
  try {
    return statSync(file).ino === fstatSync(handle).ino;
  } catch {
    return false;
  }
}

/** Takes a stale claim out of the way; one that another process has just made in its place is put back. */
function setAside(file: string): void {
  const aside = `${file}.${hostname()}-${process.pid}`;
  try {
    renameSync(file, aside);
    if (holderOf(aside)) linkSync(aside, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** The disk's own clock: those of the machines that share it may differ. */
function diskTime(folder: string): number {
  const probe = join(folder, `.now-${hostname()}-${process.pid}`);
  writeFileSync(probe, '');
  const { mtimeMs } = statSync(probe);
  rmSync(probe, { force: true });
  return mtimeMs;
}

/** A file without its text has just been made. */
function parseHolder(text: string): Holder {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return { host: 'another process', pid: 0 };
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
