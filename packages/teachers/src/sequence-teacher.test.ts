import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Batch,
  type DatasetSequences,
  outputTensors,
  Registry,
  Seeds,
  type Student,
  type Teacher,
} from '@retort/core';
import { decoder } from '@retort/models';
import { forward, saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { runTeacher } from './run-teacher.js';

const home = mkdtempSync(join(tmpdir(), 'retort-sequence-teacher-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const common = { classes: [], imageShape: [1, 1, 4] as [number, number, number], baseFolder: home };
const sequences = { vocabulary: Array.from('_.abc'), length: 4 } as unknown as DatasetSequences;

function student(): Student {
  const context = {
    ...common,
    normalization: { mean: [0], deviation: [1] },
    sequences,
    seeds: new Seeds(3),
    path: 'student',
  };
  return decoder.create(decoder.options.parse({ width: 4, depth: 1, heads: 2 }) as never, context) as Student;
}

function teacher(): Promise<Teacher> {
  const context = { ...common, id: 'large', scope: new Registry().createScope(), path: 'teachers[0]' };
  return runTeacher.create(runTeacher.options.parse({ path: 'run' }) as never, context) as Promise<Teacher>;
}

const batchOf = (rows: number[][]): Batch => ({
  ...{ split: 'train', epoch: 0, step: 0, size: rows.length },
  index: new Int32Array(rows.length),
  view: new Int32Array(rows.length),
  inputs: { tokens: { data: Int32Array.from(rows.flat()), shape: [rows.length, rows[0].length] } },
  targets: {},
});

describeEachBackend('a run that goes on with sequences', () => {
  it('is a teacher that says what the saved student said', async () => {
    const saved = student();
    const metadata = { classes: [], outputs: ['tokenLogits'] };
    await saveLayersModel(saved.model, join(home, 'run/student/best'), { metadata });
    const rows = [
      [2, 3, 4, 1],
      [4, 4, 1, 0],
    ];
    const expected = forward(saved, { tokens: tf.tensor2d(rows, [2, 4], 'int32') }, { training: false }).tokenLogits!;
    const loaded = await teacher();
    expect(loaded.describe().provides).toEqual({ tokenLogits: [4, 5] });
    const { tokenLogits } = await loaded.infer(batchOf(rows));
    await expectClose(tokenLogits!, expected);
    await expectNoLeak(async () => tf.dispose(outputTensors(await loaded.infer(batchOf(rows)))));
    await expect(async () => loaded.infer(batchOf([[1, 2, 3]]))).rejects.toThrow(
      'teacher "large" was made for sequences of 4 ids, the data set gives [1, 3]',
    );
    await loaded.dispose();
    tf.dispose([expected, tokenLogits!]);
    saved.model.dispose();
  });
});
