import { existsSync, readFileSync, statSync } from 'node:fs';
import { InputError } from '@retort/core';
import { parse } from 'yaml';

/** @throws InputError for a file that is no manifest but says what `retort compare` is to do */
export function refuseProtocol(file: string): void {
  if (!existsSync(file) || statSync(file).isDirectory()) return;
  let value: unknown;
  try {
    value = parse(readFileSync(file, 'utf8'));
  } catch {
    return; // told where it is read
  }
  if (typeof value !== 'object' || value === null || !('arms' in value)) return;
  throw new InputError(`${file} describes a comparison of several runs, its arms; it is no manifest of one`, {
    hints: [
      `make its runs and print the comparison: retort compare ${file}`,
      'or name the manifest of one of its arms',
    ],
  });
}
