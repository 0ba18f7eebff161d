import * as tf from '@tensorflow/tfjs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, outputTensors, Registry, type Student } from '@retort/core';
import { forward, gradientsOf, loadLayersModel, namedWeights, saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { cait } from './cait.js';
import { deit } from './deit.js';
import { layersModelStudent } from './layers-model-student.js';
import { plugin } from './index.js';
import { resnet } from './resnet.js';
import { studentContext } from './test-support/student-context.js';

const context = studentContext({ imageShape: [8, 16, 3] });
const make = async (part: typeof deit | typeof cait, options: object = {}) =>
  (await part.create(
    part.options.parse({ width: 12, depth: 2, heads: 3, patchSize: 4, ...options }) as never,
    context,
  )) as Student;
const image = () =>
  tf.tensor4d(
    Float32Array.from({ length: 2 * 8 * 16 * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i)),
    [2, 8, 16, 3],
  );

describe('options', () => {
  it('refuses what a variant is not called, and a rate of one', () => {
    expect(resnet.options.safeParse({ variant: 'resnet17' }).success).toBe(false);
    expect(deit.options.safeParse({ dropPath: 1 }).error?.issues[0].path).toEqual(['dropPath']);
  });

  it.each([
    [{ patchSize: 5 }, 'patches of 5 x 5 do not divide images of 8 x 16'],
    [{ heads: 5 }, '5 heads do not divide a width of 12'],
  ])('refuses %j', async (options, message) => {
    const error = await make(deit, options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ message, where: 'student' });
  });
});

describeEachBackend('vision transformers', () => {
  it.each([deit, cait])('%# give what they offer, and have the parameters they count', async (part) => {
    const student = await make(part);
    const offers = { logits: [10], embedding: [12], featureMap: [2, 4, 12], tokens: [9, 12] };
    expect(student.offers).toEqual(offers);
    expect(student.imports).toBe('@retort/models/layers');
    expect(student.noise).toBeUndefined();
    const output = forward(student, { image: image() }, { training: false });
    expect(outputTensors(output).map(({ shape }) => shape.slice(1))).toEqual(Object.values(offers));
    const sizes = Object.values(namedWeights(student.model).trainable).map(({ size }) => size);
    expect(sizes.reduce((a, b) => a + b)).toBe(student.parameters);
    // The first token is the embedding, the others are the map.
    const tokens = output.tokens!;
    await expectClose(output.embedding!, tokens.slice([0, 0, 0], [-1, 1, -1]), { absolute: 0, relative: 0 });
    await expectClose(output.featureMap!, tokens.slice([0, 1, 0]), { absolute: 0, relative: 0 });
    student.model.dispose();
  });

  it.each([deit, cait])('%# pass gradients to every trainable weight', async (part) => {
    const student = await make(part);
    const { trainable } = namedWeights(student.model);
    const { gradients } = gradientsOf(() => {
      const { logits, featureMap } = forward(student, { image: image() }, { training: true });
      return logits!.square().sum().add(featureMap!.pow(3).sum()) as tf.Scalar;
    }, trainable);
    // What is added to all scores of a query changes no share of attention: the gradient of it is nothing but rounding.
    for (const key of Object.keys(trainable).filter((name) => !/key\/bias|before_bias/.test(name))) {
      expect([key, (await gradients[key]?.abs().max().data())?.[0] > 0]).toEqual([key, true]);
    }
    student.model.dispose();
  });

  it('are saved, and open again where the plugin is used', async () => {
    new Registry().use(plugin);
    const folder = mkdtempSync(join(tmpdir(), 'retort-transformers-'));
    const student = await make(cait, { dropPath: 0.1 });
    await saveLayersModel(student.model, folder);
    const { model } = await loadLayersModel(join(folder, 'model.json'));
    const [own, loaded] = [student.model, model].map((each) => (each.predict(image()) as tf.Tensor[])[0]);
    await expectClose(loaded, await own.data(), { absolute: 0, relative: 0 });
    // As a student again, which drops the same paths.
    const taps = { logits: 'logits', embedding: 'embedding', featureMap: 'map' };
    const options = layersModelStudent.options.parse({ path: join(folder, 'model.json'), taps });
    const again = await layersModelStudent.create(options as never, context);
    expect(again.imports).toBe(student.imports);
    expect(again.noise!(3, 5)).toEqual(student.noise!(3, 5));
    for (const each of [student.model, model, again.model]) each.dispose();
    rmSync(folder, { recursive: true });
  });

  it('leave nothing behind when their model is disposed', () =>
    expectNoLeak(async () => {
      for (const part of [deit, cait]) (await make(part)).model.dispose();
    }));
});
