import { fileURLToPath } from 'node:url';

/** Path of a file that comes with this package. */
export function shipped(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
