/**
 * Writes docs/backend-onnxruntime-kernels.md, the table of kernels, from the kernels themselves.
 *
 *   npm run generate-kernel-table
 */
import { build } from 'esbuild';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
// Where packages are found, and git does not look.
const work = mkdtempSync(join(folder, '../../../node_modules/.kernel-table-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const outfile = join(work, 'kernel-table.mjs');
await build({
  entryPoints: [join(folder, '../src/test-support/kernel-table.ts')],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  logLevel: 'error',
});
const { kernelTable } = await import(pathToFileURL(outfile).href);
writeFileSync(join(folder, '../../../docs/backend-onnxruntime-kernels.md'), kernelTable());
