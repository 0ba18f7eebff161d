import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError, messageOf, RunError } from './errors.js';

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes and syncs a new file. @throws RunError naming the path when the disk refuses */
export function writeSynced(path: string, bytes: Uint8Array | string): void {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  try {
    const file = openSync(path, 'w');
    try {
      for (let done = 0; done < buffer.length;) done += writeSync(file, buffer, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(path, { force: true });
    throw diskError(path, error);
  }
}

/** Replaces a file whole or not at all: temporary file, fsync, rename. */
export function writeWhole(path: string, bytes: Uint8Array | string): void {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  writeSynced(temporary, bytes);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Makes renames inside a folder durable. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A write error with the path and the remedy. */
export function diskError(path: string, error: unknown): RunError {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new RunError(
    full ? `no space left on the disk while writing ${path}` : `cannot write ${path}: ${messageOf(error)}`,
    {
      hints: full ? ['free some space and resume; earlier checkpoints are untouched'] : [],
      cause: error,
    },
  );
}

/**
 * Reads a file that a manifest names.
 *
 * @param expected hexadecimal sha256 the file must have
 * @throws InputError naming the file when it is missing, unreadable or has another digest
 */
export async function readInputFile(
  path: string,
  { where, expected }: { where?: string; expected?: string } = {},
): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(missing ? `no such file: ${path}` : `cannot read ${path}: ${messageOf(error)}`, {
      where,
      cause: error,
    });
  }
  if (expected !== undefined) {
    const actual = sha256(bytes);
    if (actual !== expected.toLowerCase()) {
      throw new InputError(`${path} is not the file the manifest asks for`, {
        hints: [`sha256 asked for: ${expected}`, `sha256 found:     ${actual}`],
        where,
      });
    }
  }
  return bytes;
}
