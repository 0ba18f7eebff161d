import { readFileSync } from 'node:fs';
import { kernelTable } from './test-support/kernel-table.js';

describe('the table of kernels', () => {
  it('is what `npm run generate-kernel-table` writes', () => {
    const file = new URL('../../../docs/backend-onnxruntime-kernels.md', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(kernelTable());
  });

  it('knows every way of a kernel', () => {
    const table = kernelTable();
    for (const row of [/`Conv2D` +\| graph/, /`_FusedMatMul` +\| graph/, /`FFT` +\| cpu/, /`FromPixels` +\| none/])
      expect(table).toMatch(row);
    expect(table).not.toContain('undefined');
  });
});
