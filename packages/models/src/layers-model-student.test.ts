import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { InputError, type Student } from '@retort/core';
import { forward, saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { layersModelStudent } from './layers-model-student.js';
import { smallCnn } from './small-cnn.js';
import { studentContext } from './test-support/student-context.js';

const taps = { embedding: 'pool', featureMap: 'layer3_relu' };

describeEachBackend('layers-model student', () => {
  let folder: string;
  let original: Student;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'retort-student-'));
    original = await smallCnn.create(smallCnn.options.parse({ width: 2 }) as never, studentContext());
    await saveLayersModel(original.model, folder);
  });
  afterEach(() => {
    original.model.dispose();
    rmSync(folder, { recursive: true });
  });

  const make = async (options: object, changes = {}) =>
    await layersModelStudent.create(
      layersModelStudent.options.parse({ path: 'model.json', ...options }) as never,
      studentContext({ baseFolder: folder, ...changes }),
    );
  const failure = async (options: object, changes = {}) => {
    const error = await make(options, changes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).text;
  };

  it('is the saved network again', async () => {
    const student = await make({ taps });
    expect(student.offers).toEqual(original.offers);
    expect(student.parameters).toBe(original.parameters);
    const image = tf.tensor4d(
      Float32Array.from({ length: 3072 }, (_, i) => Math.abs(Math.sin(i))),
      [1, 32, 32, 3],
    );
    const [actual, expected] = [student, original].map((each) => forward(each, { image: image }, { training: false }));
    await expectClose(actual.logits!, await expected.logits!.data(), { absolute: 0, relative: 0 });
    await expectClose(actual.featureMap!, await expected.featureMap!.data(), { absolute: 0, relative: 0 });
    student.model.dispose();
  });

  it('names blocks when it is told them, and refuses layers that are not there', async () => {
    const student = await make({ taps });
    expect(student.blocks).toBeUndefined();
    const tapped = await make({ taps, blocks: ['layer1_relu', 'layer3_relu'] });
    expect(tapped.blocks).toEqual(['layer1_relu', 'layer3_relu']);
    expect(await failure({ taps, blocks: ['layer4_relu'] })).toContain('no layer is called "layer4_relu"');
    for (const each of [student, tapped]) each.model.dispose();
  });

  it('names the layers there are for a tap that does not exist, and keeps nothing', async () => {
    await expectNoLeak(async () => {
      expect(await failure({ taps: { ...taps, featureMap: 'layer3_rel' } })).toMatch(
        /^tap "featureMap": no layer is called "layer3_rel"\n {2}did you mean "layer3_relu"\? .*layer1_conv.*\n {2}student$/,
      );
    });
  });

  it('refuses taps of another form, another number of classes and another image size', async () => {
    expect(await failure({ taps: { ...taps, embedding: 'layer3_relu' } })).toContain(
      'tap "embedding" gives [4, 4, 8], not [D]',
    );
    expect(await failure({ taps }, { classes: ['cat', 'dog'] })).toContain('10 logits, the data set 2 classes');
    expect(await failure({ taps }, { imageShape: [64, 64, 3] })).toContain(
      "takes 32 x 32 x 3, the data set's images are 64 x 64 x 3",
    );
  });
});
