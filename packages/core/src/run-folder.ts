import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, RunError } from './errors.js';
import { isLogged, type RunEvent } from './events.js';
import { diskError, sha256, writeWhole } from './files.js';
import { lockRunFolder } from './run-lock.js';

/** A line of metrics.jsonl. */
export type LoggedEvent = RunEvent & { time: string };

const digestLine = /^# sha256: ([0-9a-f]{64})\n/;

/**
 * Where a run keeps everything: `manifest.lock.yaml`, `metrics.jsonl`, `checkpoints/`, `student/`, `report.html`.
 * Opened by one process at a time.
 */
export class RunFolder {
  readonly path: string;
  readonly #unlock: () => void;

  private constructor(path: string, unlock: () => void) {
    this.path = path;
    this.#unlock = unlock;
  }

  /** A new run. @throws InputError when there is one already, unless `overwrite` */
  static create(path: string, lockText: string, { overwrite = false } = {}): RunFolder {
    if (!overwrite) RunFolder.refuseTaken(path);
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw diskError(path, error);
    }
    const folder = new RunFolder(path, lockRunFolder(path));
    for (const name of ['checkpoints', 'student', 'report.html', 'results.json']) folder.remove(name);
    writeWhole(folder.file('metrics.jsonl'), '');
    writeWhole(folder.file('manifest.lock.yaml'), `# sha256: ${sha256(lockText)}\n${lockText}`);
    return folder;
  }

  /** @throws InputError when there is a run in the folder already */
  static refuseTaken(path: string): void {
    if (!existsSync(join(path, 'manifest.lock.yaml'))) return;
    throw new InputError(`${path} holds a run already`, {
      hints: [`go on with it: retort resume ${path}`, 'or start over: --overwrite, or another run.folder'],
    });
  }

  /** A run to go on with. @throws InputError when there is none */
  static open(path: string): RunFolder {
    readLock(path);
    return new RunFolder(path, lockRunFolder(path));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Appends an event to metrics.jsonl when it is one of those that are logged. */
  log(event: RunEvent): void {
    if (!isLogged(event)) return;
    const path = this.file('metrics.jsonl');
    try {
      appendFileSync(path, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    } catch (error) {
      throw diskError(path, error);
    }
  }

  /** Drops what was logged after a checkpoint that is now resumed, so that the log reads as one run. */
  rewindLog(step: number): void {
    const path = this.file('metrics.jsonl');
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    let length = 0;
    // What follows the last line end was cut off by a kill, even where it parses.
    for (const line of text.split('\n').slice(0, -1)) {
      const event = parseLine(line);
      if (!event || ('step' in event && event.step > step) || event.type === 'run-end') break;
      length += Buffer.byteLength(line) + 1;
    }
    if (text !== '') truncateSync(path, length);
  }

  remove(name: string): void {
    rmSync(this.file(name), { recursive: true, force: true });
  }

  close(): void {
    this.#unlock();
  }
}

/** The text of a run's manifest.lock.yaml, digest checked. */
export function readLock(path: string): string {
  const file = join(path, 'manifest.lock.yaml');
  if (!existsSync(file)) {
    throw new InputError(`${path} holds no run: there is no manifest.lock.yaml`, {
      hints: ['name the folder that `retort train` wrote'],
    });
  }
  const text = readFileSync(file, 'utf8');
  const digest = digestLine.exec(text)?.[1];
  const body = text.replace(digestLine, '');
  if (digest !== sha256(body)) {
    throw new RunError(
      `${file} is damaged or was edited: its sha256 is ${sha256(body)}, its first line says ${digest ?? 'nothing'}`,
      {
        hints: ['start a new run from the manifest you want'],
      },
    );
  }
  return body;
}

/** A run's metrics.jsonl; a last line cut off by a kill is left out. */
export function readLog(path: string): LoggedEvent[] {
  const file = join(path, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .map(parseLine)
    .filter((event) => event !== undefined);
}

function parseLine(line: string): LoggedEvent | undefined {
  try {
    return JSON.parse(line) as LoggedEvent;
  } catch {
    return undefined;
  }
}
