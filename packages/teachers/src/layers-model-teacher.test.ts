import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { layersModelTeacher } from './layers-model-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { runTeacher } from './run-teacher.js';
import { batchOf, makeTeacher, pixelsOf, refusal, teacherContext } from './test-support/teacher-inputs.js';
import { tinyModel } from './test-support/tiny-model.js';
import { tiny, tinyOutputs } from './test-support/tiny-network.js';

const taps = { embedding: 'pool', featureMap: 'map', early: 'conv' };
let folder: string;
let path: string;
const save = async (where: string, options = {}, metadata = {}) => {
  const model = tinyModel(options);
  await saveLayersModel(model, where, { metadata });
  model.dispose();
};

describeEachBackend('layers-model teacher', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'retort-teacher-'));
    path = join(folder, 'model.json');
    await save(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const options = { path: 'model.json', preprocessing: 'none', taps };
  const context = (changes = {}) => teacherContext({ baseFolder: folder, ...changes });

  it('gives what the network written out gives, in evaluation mode', async () => {
    const preprocessing = { mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.6, 0.7] };
    const teacher = await makeTeacher(layersModelTeacher, { ...options, preprocessing }, context());
    const batch = batchOf(2);
    for (let repeat = 0; repeat < 2; repeat++) {
      const output = await teacher.infer(batch);
      const expected = [0, 1].map((i) => tinyOutputs(pixelsOf(batch, i, preprocessing.mean, preprocessing.deviation)));
      for (const field of ['logits', 'embedding', 'featureMap'] as const) {
        await expectClose(
          output[field]!,
          expected.flatMap((image) => image[field]),
        );
      }
      expect(output.taps!.early.shape).toEqual([2, 4, 5, 2]);
      disposeOutput(output);
    }
    await teacher.dispose();
  });

  it('describes itself, with the classifier its logits come from', async () => {
    const teacher = await makeTeacher(layersModelTeacher, options, context());
    const { classifier, ...description } = teacher.describe();
    const files = [readFileSync(path), readFileSync(join(folder, 'weights.bin'))];
    expect(description).toEqual({
      provides: { logits: [3], embedding: [2], featureMap: [4, 5, 2], early: [4, 5, 2] },
      fingerprint: createHash('sha256').update(Buffer.concat(files)).digest('hex'),
      settings: expect.stringContaining('"normalization":{"mean":[0,0,0],"deviation":[1,1,1]}') as string,
      summary: 'LayersModel, 0.00 M weights',
    });
    expect(classifier!.kernel.shape).toEqual([2, 3]);
    await expectClose(classifier!.kernel.data, tiny.kernel);
    await expectClose(classifier!.bias.data, tiny.bias);
    await teacher.dispose();
  });

  it('puts logits and classifier into the order of the data set', async () => {
    const classes = ['cat', 'ant', 'bee'];
    const teacher = await makeTeacher(layersModelTeacher, { ...options, classes }, context());
    const batch = batchOf(1);
    const output = await teacher.infer(batch);
    const [cat, ant, bee] = tinyOutputs(pixelsOf(batch, 0)).logits;
    await expectClose(output.logits!, [ant, bee, cat]);
    const { kernel, bias } = teacher.describe().classifier!;
    const product = tf.tidy(() =>
      output
        .embedding!.matMul(tf.tensor2d(kernel.data as Float32Array, [2, 3]))
        .add(tf.tensor1d(bias.data as Float32Array)),
    );
    await expectClose(product, [ant, bee, cat]);
    product.dispose();
    disposeOutput(output);
    await teacher.dispose();
  });

  it('takes a sequential model, whose logits are its last layer', async () => {
    const pool = tf.layers.globalAveragePooling2d({ inputShape: [4, 5, 3], name: 'pool', dataFormat: 'channelsLast' });
    const sequential = tf.sequential({ layers: [pool, tf.layers.dense({ units: 3, name: 'dense', useBias: false })] });
    await saveLayersModel(sequential, folder);
    sequential.dispose();
    const teacher = await makeTeacher(layersModelTeacher, { ...options, taps: { embedding: 'pool' } }, context());
    expect(teacher.describe().provides).toEqual({ logits: [3], embedding: [3] });
    expect(teacher.describe().classifier!.bias).toEqual({ data: new Float32Array(3), shape: [3] });
    await teacher.dispose();
  });

  it('leaves nothing behind, made or refused', async () => {
    await expectNoLeak(async () => {
      const teacher = await makeTeacher(layersModelTeacher, { ...options, taps: { featureMap: 'map' } }, context());
      disposeOutput(await teacher.infer(batchOf(2)));
      await teacher.dispose();
      await refusal(layersModelTeacher, { ...options, classes: ['ant', 'bee'] }, context());
    });
  });

  it('names what is wrong with files, taps, images, classes and outputs', async () => {
    const refused = (changes: object, contextChanges = {}) =>
      refusal(layersModelTeacher, { ...options, ...changes }, context(contextChanges));
    expect(await refused({ path: 'other.json' })).toBe(`no such file: ${join(folder, 'other.json')}\n  teachers[0]`);
    expect(await refused({ sha256: '0'.repeat(64) })).toContain('are not the files the manifest asks for');
    expect(await refused({ taps: { embedding: 'poll' } })).toMatch(/no layer is called "poll"\n.*"pool"/);
    expect(await refused({ taps: { embedding: 'map' } })).toContain(
      'output "embedding" gives [B, 4, 5, 2], not [B, D]',
    );
    expect(await refused({}, { imageShape: [8, 8, 3] })).toContain(
      "takes 4 x 5 x 3, the data set's images are 8 x 8 x 3",
    );
    expect(await refused({}, { classes: ['ant'] })).toContain('teacher "t1" has 3 classes, the data set has 1');
    expect(await refused({ classes: ['ant', 'bee'] })).toContain('teacher "t1" names 2 classes but has 3 logits');
    await save(folder, { activation: 'softmax' });
    expect(await refused({})).toContain('layer "dense" ends in a softmax');
    truncateSync(join(folder, 'weights.bin'), 40);
    expect(await refused({})).toContain(`${join(folder, 'weights.bin')}: 40 bytes found, 92 expected`);
  });
});

describeEachBackend('run teacher', () => {
  const classes = ['bee', 'cat', 'ant'];
  const outputs = ['logits', 'embedding', 'featureMap'];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'retort-run-'));
    mkdirSync(join(folder, 'student'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is the run's student, its logits in the order of the data set", async () => {
    await save(join(folder, 'student', 'best'), { outputs: 3 }, { classes, outputs });
    const teacher = await makeTeacher(runTeacher, { path: folder });
    expect(teacher.describe()).toMatchObject({
      classes: ['ant', 'bee', 'cat'],
      provides: { logits: [3], embedding: [2], featureMap: [4, 5, 2] },
      summary: `student "best" of ${folder}, 0.00 M weights`,
    });
    const batch = batchOf(1);
    const output = await teacher.infer(batch);
    const expected = tinyOutputs(pixelsOf(batch, 0));
    const [bee, cat, ant] = expected.logits;
    await expectClose(output.logits!, [ant, bee, cat]);
    await expectClose(output.featureMap!, expected.featureMap);
    disposeOutput(output);
    await teacher.dispose();
  });

  it('says which student there is, and what a model.json lacks', async () => {
    expect(await refusal(runTeacher, { path: folder })).toContain('name the folder of a finished run');
    await save(join(folder, 'student', 'last'), { outputs: 3 }, { outputs });
    expect(await refusal(runTeacher, { path: folder })).toContain('it has one called "last": student: last');
    expect(await refusal(runTeacher, { path: folder, student: 'last' })).toContain('its metadata lacks class names');
  });
});
