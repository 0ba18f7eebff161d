import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { loadLayersModel, modelWithTaps, saveLayersModel } from './layers-model-files.js';

function network(): tf.LayersModel {
  const input = tf.input({ shape: [4, 4, 3], name: 'image' });
  const map = tf.layers.conv2d({ filters: 2, kernelSize: 3, name: 'stem' }).apply(input) as tf.SymbolicTensor;
  const pooled = tf.layers.globalAveragePooling2d({ name: 'pool', dataFormat: 'channelsLast' }).apply(map);
  const logits = tf.layers.dense({ units: 5, name: 'logits' }).apply(pooled) as tf.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: [logits, map], name: 'net' });
  const shapes = model.getWeights().map(({ shape }) => shape);
  let next = 0;
  const ramp = (shape: number[]) =>
    tf.tensor(
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => Math.sin(next++)),
      shape,
    );
  tf.tidy(() => model.setWeights(shapes.map(ramp)));
  return model;
}

const image = () =>
  tf.tensor4d(
    Float32Array.from({ length: 96 }, (_, i) => Math.cos(i)),
    [2, 4, 4, 3],
  );

describeEachBackend('LayersModel files', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'retort-layers-'));
    path = join(folder, 'model.json');
    const model = network();
    await saveLayersModel(model, folder, { metadata: { classes: ['a', 'b', 'c', 'd', 'e'] } });
    model.dispose();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const failure = async (options = {}): Promise<InputError> => {
    const error = await loadLayersModel(path, options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    return error as InputError;
  };

  it('gives back the same network, metadata and fingerprint', async () => {
    const original = network();
    const { model, metadata, fingerprint } = await loadLayersModel(path);
    expect(metadata).toEqual({ classes: ['a', 'b', 'c', 'd', 'e'] });
    const joined = Buffer.concat([readFileSync(path), readFileSync(join(folder, 'weights.bin'))]);
    expect(fingerprint).toBe(createHash('sha256').update(joined).digest('hex'));
    const expected = original.apply(image()) as tf.Tensor[];
    const actual = model.apply(image()) as tf.Tensor[];
    for (const i of [0, 1]) await expectClose(actual[i], await expected[i].data(), { absolute: 0, relative: 0 });
    original.dispose();
    model.dispose();
  });

  it("is read by tfjs's own http loader, as in a browser", async () => {
    const fetchFunc = (async (url: string) => {
      const bytes = readFileSync(join(folder, new URL(url).pathname));
      return {
        ok: true,
        json: async () => JSON.parse(String(bytes)),
        arrayBuffer: async () => new Uint8Array(bytes).buffer,
      };
    }) as unknown as typeof fetch;
    const model = await tf.loadLayersModel(tf.io.http('http://localhost/model.json', { fetchFunc }));
    const original = network();
    const [actual, expected] = [model, original].map((each) => (each.apply(image()) as tf.Tensor[])[0]);
    await expectClose(actual, await expected.data(), { absolute: 0, relative: 0 });
    model.dispose();
    original.dispose();
  });

  it('leaves no tensors once the model is disposed', async () => {
    await expectNoLeak(async () => {
      (await loadLayersModel(path)).model.dispose();
    });
  });

  it('names a missing model.json', async () => {
    rmSync(path);
    expect((await failure({ where: 'teachers[0]' })).text).toBe(`no such file: ${path}\n  teachers[0]`);
  });

  it('names a missing weights file', async () => {
    rmSync(join(folder, 'weights.bin'));
    expect((await failure()).message).toBe(`no such file: ${join(folder, 'weights.bin')}`);
  });

  it('refuses a model.json that was cut off, with its size', async () => {
    truncateSync(path, 100);
    const { message, hints } = await failure();
    expect(message).toContain(`${path} is not whole JSON`);
    expect(hints.join()).toContain('100 bytes');
  });

  it('refuses weights that were cut off, with the bytes found and expected', async () => {
    // stem 3·3·3·2 + 2, logits 2·5 + 5 = 71 float32 values
    truncateSync(join(folder, 'weights.bin'), 283);
    expect((await failure()).message).toBe(`${join(folder, 'weights.bin')}: 283 bytes found, 284 expected by ${path}`);
  });

  it('refuses files with another digest, whatever differs', async () => {
    const { fingerprint, model } = await loadLayersModel(path);
    model.dispose();
    const weights = readFileSync(join(folder, 'weights.bin'));
    weights[0] ^= 1;
    writeFileSync(join(folder, 'weights.bin'), weights);
    const { message, hints } = await failure({ sha256: fingerprint });
    expect(message).toContain('not the files the manifest asks for');
    expect(hints[0]).toContain(fingerprint);
  });

  it('says what a GraphModel, another JSON file and an unknown layer are', async () => {
    const json = readFileSync(path, 'utf8');
    writeFileSync(path, '{"format":"graph-model"}');
    expect((await failure()).message).toBe(`${path} holds a GraphModel, not a LayersModel`);
    writeFileSync(path, '{"format":"layers-model","modelTopology":{}}');
    expect((await failure()).message).toContain('weightsManifest');
    writeFileSync(path, json.replace('"Conv2D"', '"Conv9D"'));
    expect((await failure()).message).toContain('Conv9D');
  });

  it('builds a network with the outputs of named layers', async () => {
    const model = network();
    const tapped = modelWithTaps(model, { embedding: 'pool', logits: 'logits' });
    const [embedding, logits] = tapped.apply(image()) as tf.Tensor[];
    const [expectedLogits, map] = model.apply(image()) as tf.Tensor[];
    await expectClose(logits, await expectedLogits.data());
    await expectClose(embedding, await map.mean([1, 2]).data());
    model.dispose();
  });

  it('names the nearest layer for a tap that does not exist', () => {
    const model = network();
    expect(() => modelWithTaps(model, { embedding: 'pol' }, { where: 'student' })).toThrow(InputError);
    try {
      modelWithTaps(model, { embedding: 'pol' });
    } catch (error) {
      expect((error as InputError).text).toBe(
        'tap "embedding": no layer is called "pol"\n  did you mean "pool"? choose from: image, stem, pool, logits',
      );
    }
    model.dispose();
  });
});
