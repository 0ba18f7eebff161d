import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { box, discrete, InputError, type Student } from '@retort/core';
import { forward, saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { layersModelStudent } from './layers-model-student.js';
import { policyLstm } from './policy-lstm.js';
import { policyMlp } from './policy-mlp.js';
import { smallCnn } from './small-cnn.js';
import { actingContext, states } from './test-support/acting-context.js';
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

  it('needs taps on a data set, and none of those of environments', async () => {
    expect(await failure({})).toMatch(/^taps.embedding is missing: a layer's name\n.*layer3_relu, pool, logits/);
    expect(await failure({ taps: { ...taps, value: 'pool' } })).toContain('tap "value" is of networks that act');
  });
});

describeEachBackend('layers-model student in an environment', () => {
  let folder: string;
  let original: Student;
  const context = actingContext([3], discrete(4));
  const save = async (part: typeof policyMlp | typeof policyLstm, options: object, named = true) => {
    original = (await part.create(part.options.parse(options) as never, context)) as Student;
    const metadata = named ? { outputs: Object.keys(original.offers) } : {};
    await saveLayersModel(original.model, folder, { metadata });
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'retort-policy-'));
  });
  afterEach(() => {
    original.model.dispose();
    rmSync(folder, { recursive: true });
  });

  const make = async (options: object, of = context) =>
    await layersModelStudent.create(layersModelStudent.options.parse({ path: 'model.json', ...options }) as never, {
      ...of,
      baseFolder: folder,
    });
  const failure = async (options: object, of = context) => {
    const error = await make(options, of).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).text;
  };

  it('is the saved network again, its outputs known from the file', async () => {
    await save(policyLstm, { hidden: [5], units: 3 });
    const student = await make({});
    expect(student.offers).toEqual(original.offers);
    expect(student.parameters).toBe(original.parameters);
    const inputs = { state: tf.tensor2d(states(2, 3)), memory: tf.tensor2d(states(2, 6)) };
    const [actual, expected] = [student, original].map((each) => forward(each, inputs, { training: false }));
    for (const output of ['logits', 'value', 'memory', 'embedding'] as const) {
      await expectClose(actual[output]!, expected[output]!, { absolute: 0, relative: 0 });
    }
    student.model.dispose();
  });

  it('takes layers by name, and what its only output is by the actions', async () => {
    await save(policyMlp, { hidden: [5], value: 'shared' }, false);
    expect(await failure({})).toMatch(/model.json does not say what its 3 outputs are\n.*taps: \{ logits: logits … \}/);
    const student = await make({ taps: { logits: 'logits', embedding: 'hidden_1' } });
    expect(student.offers).toEqual({ logits: [4], embedding: [5] });
    student.model.dispose();
    const [state, logits] = [original.model.inputs[0], original.model.outputs[0]];
    await saveLayersModel(tf.model({ inputs: state, outputs: logits }), folder);
    const single = await make({});
    expect(single.offers).toEqual({ logits: [4] });
    single.model.dispose();
  });

  it('is refused where it reads or gives something else, saying both', async () => {
    await save(policyLstm, { hidden: [5], units: 3 });
    expect(await failure({}, actingContext([8], discrete(4)))).toBe(
      'model.json reads states of [3], the environment shows [8]\n  student',
    );
    expect(await failure({}, actingContext([3], discrete(2)))).toContain(
      'the environment needs logits [2] of model.json, which gives [4]',
    );
    expect(await failure({}, actingContext([3], box([-1], [1])))).toContain(
      'needs mean [1] of model.json, which gives none, but logits, value, memory, embedding',
    );
    expect(await failure({ taps: { logits: 'logits' } })).toContain('reads a memory of [6] and gives one of none');
  });

  it('is refused where it looks at images', async () => {
    original = (await smallCnn.create(smallCnn.options.parse({ width: 2 }) as never, studentContext())) as Student;
    await saveLayersModel(original.model, folder);
    expect(await failure({ taps: { logits: 'logits' } })).toContain('model.json reads image; networks that act read');
  });
});
