import * as tf from '@tensorflow/tfjs';
import type { Student } from '@retort/core';
import { modelWithTaps } from '@retort/nn';
import { useBackend } from '@retort-tools/testing';
import { caitSpec } from './cait.js';
import { cifarResnet, cifarResnetSpec } from './cifar-resnet.js';
import { clipSizes } from './clip.js';
import { clipSpec } from './clip-spec.js';
import { deit, deitSpec } from './deit.js';
import { mobilenetV2Spec } from './mobilenet-v2.js';
import { inferShapes, type NetworkSpec } from './network-spec.js';
import { regnetSpec } from './regnet.js';
import { resnetForm, resnetSpec } from './resnet.js';
import { shufflenetV2Spec } from './shufflenet-v2.js';
import { smallCnn, smallCnnSpec } from './small-cnn.js';
import { studentContext } from './test-support/student-context.js';
import { vggSpec } from './vgg.js';
import { wideResnetSpec } from './wide-resnet.js';

const context = studentContext();
const transformer = { width: 12, depth: 3, heads: 3, patchSize: 4, dropPath: 0, ...context };
const text = { vocabularySize: 20, contextLength: 5, endToken: 19, activation: 'gelu', boxHead: true } as const;

describe('layers that end a block', () => {
  // Shapes on 32 x 32 images.
  it.each<[string, NetworkSpec, number[][]]>([
    [
      'cifar-resnet',
      cifarResnetSpec({ depth: 20, width: [16, 32, 64], ...context }),
      maps([32, 16], [16, 32], [8, 64]),
    ],
    ['wide-resnet', wideResnetSpec({ depth: 16, widen: 2, ...context }), maps([32, 32], [16, 64], [8, 128])],
    ['regnet', regnetSpec({ variant: 'x-200mf', ...context }), maps([32, 24], [32, 56], [16, 152], [8, 368])],
    [
      'resnet',
      resnetSpec({ form: resnetForm('resnet50'), ...context }),
      maps([8, 256], [4, 512], [2, 1024], [1, 2048]),
    ],
    [
      'mobilenet-v2',
      mobilenetV2Spec({ width: 1, ...context }),
      maps([16, 16], [16, 24], [8, 32], [4, 64], [4, 96], [2, 160], [2, 320]),
    ],
    ['shufflenet-v2', shufflenetV2Spec(context), maps([16, 116], [8, 232], [4, 464])],
    ['vgg', vggSpec({ depth: 13, ...context }), maps([32, 64], [16, 128], [8, 256], [4, 512], [2, 512])],
    ['small-cnn', smallCnnSpec({ width: 8, ...context }), maps([16, 8], [8, 16], [4, 32])],
    ['deit', deitSpec(transformer), tokens(3, [65, 12])],
    ['cait', caitSpec(transformer), tokens(3, [64, 12])],
    ['clip', clipSpec({ ...context, ...clipSizes('tiny'), ...text }), tokens(4, [17, 96])],
  ])('are those of %s, in order', (_, { blocks, ...spec }, shapes) => {
    const places = blocks!.map((name) => spec.layers.findIndex((layer) => layer.name === name));
    expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
    const found = inferShapes(spec);
    expect(blocks!.map((name) => found.get(name))).toEqual(shapes);
  });

  it.each([
    [smallCnn, { width: 2 }],
    [cifarResnet, { depth: 8 }],
    [deit, { width: 12, depth: 2, heads: 3, patchSize: 8 }],
  ])('%# can be tapped', async (part, options) => {
    await useBackend('cpu');
    const student = (await part.create(part.options.parse(options) as never, context)) as Student;
    const blocks = student.blocks!;
    const model = modelWithTaps(student.model, Object.fromEntries(blocks.map((name) => [name, name])));
    const given = model.predict(tf.zeros([2, 32, 32, 3])) as tf.Tensor[];
    expect(given.map(({ shape }) => [null, ...shape.slice(1)])).toEqual(model.outputs.map(({ shape }) => shape));
    student.model.dispose();
  });
});

/** Square maps by side and channels. */
function maps(...sides: [number, number][]): number[][] {
  return sides.map(([side, channels]) => [side, side, channels]);
}

function tokens(count: number, shape: number[]): number[][] {
  return Array.from({ length: count }, () => shape);
}
