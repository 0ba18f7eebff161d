import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddingFile } from './embedding-file.js';

const script = `
import json, sys, numpy
values = numpy.load(sys.argv[1], allow_pickle=False)
print(json.dumps({'dtype': str(values.dtype), 'rows': values.tolist(), 'order': bool(values.flags['C_CONTIGUOUS'])}))
`;

it('numpy reads an .npy file as what was written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-npy-'));
  const file = join(folder, 'a.npy');
  const rows = [
    [1, -2.5, 0],
    [3.25, 1e-3, 1e30],
  ].map((row) => Float32Array.from(row));
  const writer = openEmbeddingFile({
    file,
    names: ['a', 'b'],
    stamps: ['', ''],
    key: '',
    columns: 3,
    batch: 1,
    metadata: {},
  });
  for (const row of rows) writer.append(row);
  writer.finish();
  writer.close();
  const told = execFileSync('/usr/bin/python3', ['-c', script, file], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  expect(JSON.parse(told)).toEqual({ dtype: 'float32', order: true, rows: rows.map((row) => Array.from(row)) });
});
