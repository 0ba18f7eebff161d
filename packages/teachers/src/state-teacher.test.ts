import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ActionSpace, box, discrete, observationSpace, type Batch, type TeacherContext } from '@retort/core';
import { saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { clipTeacher } from './clip-teacher.js';
import { layersModelTeacher } from './layers-model-teacher.js';
import { onnxTeacher } from './onnx-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { runTeacher } from './run-teacher.js';
import { makeTeacher, refusal, teacherContext } from './test-support/teacher-inputs.js';

const kernel = [
  [1, -0.5, 0.25],
  [2, 0.125, -1],
];
const bias = [0.5, 0, -0.25];
const states = [
  [0.5, -1],
  [2, 3],
  [0, 0.25],
];
const batch = (rows = states): Batch => ({
  ...{ split: 'train', epoch: 0, step: 0, size: rows.length },
  index: new Int32Array(rows.length),
  view: new Int32Array(rows.length),
  inputs: { state: { data: Float32Array.from(rows.flat()), shape: [rows.length, rows[0].length] } },
  targets: {},
});

/** A saved linear policy with a value that is the sum of the state. */
async function save(folder: string, output: string, metadata: Record<string, unknown> = {}) {
  const state = tf.input({ shape: [2], name: 'state' });
  const dense = (name: string, weights: number[][], offset: number[]) =>
    tf.layers.dense({ name, units: offset.length, weights: [tf.tensor2d(weights), tf.tensor1d(offset)] }).apply(state);
  const outputs = [dense(output, kernel, bias), dense('value', [[1], [1]], [0])] as tf.SymbolicTensor[];
  const model = tf.model({ inputs: state, outputs });
  await saveLayersModel(model, folder, {
    metadata: { outputs: [output, 'value'], classes: ['0', '1', '2'], ...metadata },
  });
  model.dispose();
}

const acted = (identity = 'mountain-car {"timeLimit":200}', actionSpace: ActionSpace = discrete(3)) => ({
  environment: identity,
  observationShape: [2],
  actionSpace,
});

function context(
  folder: string,
  { identity = 'mountain-car {"timeLimit":50}', size = 2, actionSpace = discrete(3) as ActionSpace } = {},
): TeacherContext {
  return teacherContext({
    baseFolder: folder,
    classes: ['0', '1', '2'],
    environment: { identity, observationSpace: observationSpace([size], -Infinity, Infinity), actionSpace },
  });
}

describeEachBackend('teachers that act', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-state-teacher-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('the student of a run gives logits and values of states', async () => {
    await save(join(folder, 'student/best'), 'logits', acted());
    await expectNoLeak(async () => {
      const teacher = await makeTeacher(runTeacher, { path: '.' }, context(folder));
      expect(teacher.describe().provides).toEqual({ logits: [3], value: [1] });
      for (const rows of [states, states.slice(1), states]) {
        const output = await teacher.infer(batch(rows));
        await expectClose(
          output.logits!,
          rows.flatMap(([x, y]) => bias.map((b, i) => x * kernel[0][i] + y * kernel[1][i] + b)),
        );
        await expectClose(
          output.value!,
          rows.map(([x, y]) => x + y),
        );
        disposeOutput(output);
      }
      await teacher.dispose();
    });
  });

  it('any LayersModel does, its first output the mean of a box', async () => {
    await save(folder, 'anything');
    const actionSpace = box([-1, -1, -1], [1, 1, 1]);
    const options = { path: 'model.json', preprocessing: 'none', taps: { value: 'value' } };
    const teacher = await makeTeacher(layersModelTeacher, options, context(folder, { actionSpace }));
    expect(teacher.describe().provides).toEqual({ mean: [3], value: [1] });
    const output = await teacher.infer(batch());
    expect(output.mean!.shape).toEqual([3, 3]);
    disposeOutput(output);
    await teacher.dispose();
  });
});

describe('teachers that act', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-state-teacher-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are refused where the spaces differ, both named', async () => {
    await save(join(folder, 'student/best'), 'logits', acted());
    const text = await refusal(runTeacher, { path: '.' }, context(folder, { identity: 'pole {}', size: 4 }));
    expect(text).toContain('teacher "t1" acts between other spaces than the student');
    expect(text).toContain('teacher: mountain-car {"timeLimit":200}: observations [2], 3 actions');
    expect(text).toContain('student: pole {}: observations [4], 3 actions');
  });

  it('are refused in another environment of the same spaces, both named', async () => {
    await save(join(folder, 'student/best'), 'logits', acted());
    expect(await refusal(runTeacher, { path: '.' }, context(folder, { identity: 'ferry {"size":3}' }))).toContain(
      'teacher "t1" was trained in another environment: mountain-car {"timeLimit":200}, the student acts in ferry {"size":3}',
    );
  });

  it('are refused in a run with a data set, and with pixels’ preprocessing', async () => {
    await save(folder, 'logits');
    const options = { path: 'model.json', preprocessing: 'none' };
    expect(await refusal(layersModelTeacher, options, teacherContext({ baseFolder: folder }))).toContain(
      'teacher "t1" acts in environments',
    );
    expect(await refusal(layersModelTeacher, { ...options, preprocessing: 'clip' }, context(folder))).toContain(
      'preprocessing: none',
    );
  });

  it('are not of kind onnx or clip', async () => {
    const message = "looks at images, and this run's environment shows states";
    const onnx = { path: 'model.onnx', preprocessing: 'none' };
    expect(await refusal(onnxTeacher, onnx, context(folder))).toContain(message);
    expect(await refusal(clipTeacher, { path: 'clip.safetensors' }, context(folder))).toContain(message);
  });

  it('are refused with a memory, and with other numbers of actions', async () => {
    const [state, memory] = [tf.input({ shape: [2], name: 'state' }), tf.input({ shape: [3], name: 'memory' })];
    const next = tf.layers
      .add({ name: 'memory_out' })
      .apply([
        tf.layers.dense({ units: 3, name: 'logits' }).apply(state) as tf.SymbolicTensor,
        memory,
      ]) as tf.SymbolicTensor;
    const model = tf.model({ inputs: [state, memory], outputs: next });
    await saveLayersModel(model, folder);
    const options = { path: 'model.json', preprocessing: 'none' };
    expect(await refusal(layersModelTeacher, options, context(folder))).toContain('reads state and memory');
    await save(folder, 'logits');
    expect(await refusal(layersModelTeacher, options, context(folder, { actionSpace: discrete(4) }))).toContain(
      'teacher "t1" gives "logits" as [B, 3], the student has 4 actions',
    );
  });
});
