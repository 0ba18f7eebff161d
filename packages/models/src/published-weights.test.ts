import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { encodeSafetensors, type HostTensor, InputError, outputNamed, Random } from '@retort/core';
import { forward, namedWeights } from '@retort/nn';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { imagenetNormalization } from './build-published.js';
import { buildStudent } from './build-student.js';
import { caitSpec } from './cait.js';
import { deit, deitSpec } from './deit.js';
import { countNetwork, type NetworkSpec } from './network-spec.js';
import { readPublishedWeights } from './published-weights.js';
import { resnetSpec } from './resnet.js';
import { references, sizeOf, tensor, tensorsOf } from './test-support/published-files.js';
import { studentContext } from './test-support/student-context.js';

const classes = Array.from({ length: 5 }, (_, i) => `class ${i}`);
const settings = { classes, normalization: imagenetNormalization };
const cnn = { depths: [2, 1], width: 8, inner: 1, groups: 1, bottleneck: true };
const vit = { width: 12, depth: 2, heads: 3, patchSize: 4, dropPath: 0 };

/** The networks of published_reference.py, built here. */
const specs: Record<string, (imageShape: [number, number, number]) => NetworkSpec> = {
  basic: (imageShape) => resnetSpec({ form: { ...cnn, bottleneck: false }, imageShape, ...settings }),
  bottleneck: (imageShape) => resnetSpec({ form: cnn, imageShape, ...settings }),
  resnext: (imageShape) => resnetSpec({ form: { ...cnn, inner: 2, groups: 4 }, imageShape, ...settings }),
  deit: (imageShape) => deitSpec({ ...vit, imageShape, ...settings }),
  cait: (imageShape) => caitSpec({ ...vit, imageShape, ...settings }),
};

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'retort-weights-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function write(tensors: Record<string, HostTensor>): string {
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, encodeSafetensors(tensors));
  return path;
}

describeEachBackend('published weights', () => {
  it.each(Object.keys(specs))('%s computes what PyTorch computes with the same file', async (name) => {
    const reference = references[name];
    const spec = specs[name](reference.imageShape);
    const values = await readPublishedWeights(spec, write(tensorsOf(reference)));
    const student = buildStudent(spec, name, new Random([1, 2]), values);
    const size = 2 * sizeOf(reference.imageShape);
    const image = tf.tensor4d(
      Float32Array.from({ length: size }, (_, i) => 0.5 + 0.5 * Math.sin(0.7 * i)),
      [2, ...reference.imageShape],
    );
    const output = forward(student, { image: image }, { training: false });
    expect(Object.keys(student.offers)).toEqual(Object.keys(reference.outputs));
    for (const [key, expected] of Object.entries(reference.outputs)) {
      const values = Array.from(await outputNamed(output, key)!.data());
      const seen = values.length < 200 ? values : values.filter((_, i) => i % 17 === 0);
      await expectClose(seen, expected, { absolute: 1e-4, relative: 1e-4 });
    }
    student.model.dispose();
  });
});

describe('published weights', () => {
  const reference = references.resnext;
  const spec = specs.resnext(reference.imageShape);

  const failure = async (tensors: Record<string, HostTensor> | string, of = spec, options = {}): Promise<string> => {
    const path = typeof tensors === 'string' ? tensors : write(tensors);
    const error = await readPublishedWeights(of, path, { where: 'student', ...options }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).text.replaceAll(folder, '');
  };

  it.each(Object.keys(specs))('has the parameters that the published tensors of %s have', (name) => {
    const { tensors, imageShape } = references[name];
    // Positions are counted on the grid of the network, as large as it may be.
    const sizes = Object.entries(tensors)
      .filter(([key]) => !/running_|num_batches|pos_embed/.test(key))
      .map(([, shape]) => sizeOf(shape));
    const positions = { deit: 12 * (1 + 15), cait: 12 * 15 }[name] ?? 0;
    expect(countNetwork(specs[name](imageShape)).parameters).toBe(sizes.reduce((a, b) => a + b) + positions);
  });

  it('names a tensor that is missing, and what is there', async () => {
    const { 'layer1.0.conv3.weight': _, ...tensors } = tensorsOf(reference);
    expect(await failure(tensors)).toMatch(
      /^\/model.safetensors has no tensor "layer1.0.conv3.weight"\n.*\n {2}it has "bn1.bias", .* and \d+ more\n {2}student$/,
    );
  });

  it('gives both shapes of a tensor that does not fit', async () => {
    const tensors = { ...tensorsOf(reference), 'layer2.0.conv2.weight': tensor('x', [32, 32, 3, 3]) };
    expect(await failure(tensors)).toContain(
      '"layer2.0.conv2.weight" is [32, 32, 3, 3], this network\'s is [32, 8, 3, 3]',
    );
  });

  it('names tensors that the network does not have', async () => {
    const deeper = { ...tensorsOf(reference), 'layer2.1.conv1.weight': tensor('x', [1, 1, 1, 1]) };
    expect(await failure(deeper)).toContain('has what this network does not: "layer2.1.conv1.weight"\n');
  });

  it('refuses integers and files that are no safetensors files', async () => {
    const integers = { ...tensorsOf(reference), 'bn1.bias': { data: new Int32Array(8), shape: [8] } };
    expect(await failure(integers)).toContain('"bn1.bias" holds integers');
    const path = write(tensorsOf(reference));
    writeFileSync(path, readFileSync(path).subarray(0, 9000));
    expect(await failure(path)).toMatch(
      /is no safetensors file that can be read: truncated: .*\n {2}the copy was cut off/,
    );
    writeFileSync(path, 'PK\x03\x04 is how a .pth file begins');
    expect(await failure(path)).toContain('fetch the safetensors file');
    expect(await failure(join(folder, 'none.safetensors'))).toContain('no such file');
  });

  it('asks for a new classifier where the classes are others, and then leaves the old one out', async () => {
    const others = resnetSpec({
      form: { ...cnn, inner: 2, groups: 4 },
      imageShape: reference.imageShape,
      ...settings,
      classes: ['cat', 'dog'],
    });
    expect(await failure(tensorsOf(reference), others)).toMatch(
      /tells 5 classes apart, the data set has 2\n {2}classifier: new /,
    );
    const values = await readPublishedWeights(others, write(tensorsOf(reference)), { classifier: 'new' });
    expect(values.has('logits')).toBe(false);
    const all = await readPublishedWeights(spec, write(tensorsOf(reference)));
    expect(values).toEqual(new Map([...all].filter(([name]) => name !== 'logits')));
  });

  it('refuses positions that lie on no square grid', async () => {
    const tensors = { ...tensorsOf(references.deit), pos_embed: tensor('pos_embed', [1, 8, 12]) };
    expect(await failure(tensors, specs.deit([12, 20, 3]))).toContain(
      '"pos_embed" is [1, 8, 12], this network\'s is [1, 16, 12]',
    );
  });
});

describe('a student with published weights', () => {
  it('starts from them, normalizes as they were trained, and draws a new classifier', async () => {
    await tf.setBackend('cpu');
    write(tensorsOf(references.deit));
    const make = (options: object) =>
      deit.create(
        deit.options.parse({ width: 12, depth: 2, heads: 3, patchSize: 4, ...options }) as never,
        studentContext({ imageShape: [16, 16, 3], baseFolder: folder }),
      );
    const student = await make({ weights: 'model.safetensors', classifier: 'new' });
    const { trainable, frozen } = namedWeights(student.model);
    const published = tensor('blocks.1.norm2.weight', [12]).data;
    await expectClose(trainable['block2_norm2/gamma'], published, { absolute: 0, relative: 0 });
    await expectClose(
      frozen['normalize/depthwise_kernel'],
      imagenetNormalization.deviation.map((d) => 1 / d),
    );
    // Positions on the grid they were learned on are taken as they are.
    await expectClose(trainable['positions/positions'], tensor('pos_embed', [1, 17, 12]).data, { absolute: 0 });
    const drawn = Array.from(await trainable['logits/kernel'].data());
    expect(new Set(drawn).size).toBe(120);
    expect(Math.max(...drawn.map(Math.abs))).toBeLessThan(0.1);
    student.model.dispose();
  });
});
