import { decodeSafetensors, type HostTensor, InputError, messageOf, readInputFile } from '@retort/core';
import type { WeightLayout, WeightRule } from './layer-rule.js';
import { inferShapes, type LayerSpec, type NetworkSpec, ruleOf } from './network-spec.js';
import { resizeGrid } from './resize-grid.js';

/**
 * Weights of a network from a safetensors file in which they have their published names (torchvision's, timm's), in our order of axes.
 * Positions that were learned on another grid of patches are interpolated.
 *
 * @param classifier `new` leaves the file's classifier out: it is drawn like one that was never trained
 * @returns by layer name, what `buildStudent` takes in place of drawn values
 * @throws InputError when the file is damaged, lacks a tensor, has one of another shape, or has one that the network does not have
 */
export async function readPublishedWeights(
  spec: NetworkSpec,
  path: string,
  { classifier = 'published', where }: { classifier?: 'published' | 'new'; where?: string } = {},
): Promise<Map<string, Float32Array[]>> {
  const bytes = await readInputFile(path, { where });
  let tensors: Record<string, HostTensor>;
  try {
    ({ tensors } = decodeSafetensors(bytes));
  } catch (error) {
    throw new InputError(`${path} is no safetensors file that can be read: ${messageOf(error)}`, {
      hints: ['the copy was cut off, or the file is of another format (.pth, .bin): fetch the safetensors file'],
      where,
      cause: error,
    });
  }
  const shapes = inferShapes(spec);
  const values = new Map<string, Float32Array[]>();
  const known = new Set<string>();
  for (const layer of spec.layers) {
    if (layer.published === undefined) continue;
    const isClassifier = layer.name === spec.outputs.logits;
    const rules = ruleOf(layer.config).weights?.(layer.config, shapes.get(layer.from[0])!) ?? [];
    for (const rule of rules) known.add(layer.published + rule.published);
    if (isClassifier && classifier === 'new') continue;
    values.set(
      layer.name,
      rules.map((rule) => readWeight(tensors, layer, rule, { path, where, isClassifier })),
    );
  }
  const others = Object.keys(tensors).filter((name) => !known.has(name) && !name.endsWith('.num_batches_tracked'));
  if (others.length > 0) {
    throw new InputError(`${path} has what this network does not: ${listed(others)}`, {
      hints: ['the file is of another variant of the network'],
      where,
    });
  }
  return values;
}

function readWeight(
  tensors: Record<string, HostTensor>,
  { published, config }: LayerSpec,
  { shape, layout, published: suffix }: WeightRule,
  { path, where, isClassifier }: { path: string; where: string | undefined; isClassifier: boolean },
): Float32Array {
  const name = `${published}${suffix}`;
  const tensor = tensors[name];
  if (!tensor) {
    throw new InputError(`${path} has no tensor "${name}"`, {
      hints: [
        'the file is of another network, or calls its tensors by other names than the published ones',
        `it has ${listed(Object.keys(tensors))}`,
      ],
      where,
    });
  }
  if (!(tensor.data instanceof Float32Array)) {
    throw new InputError(`${path}: "${name}" holds integers, weights are floating-point numbers`, { where });
  }
  if (layout === 'positions' && config.type === 'positions') {
    const positions = onGrid(tensor.data, tensor.shape, shape, config);
    if (positions) return positions;
  }
  const expected = publishedShape(shape, layout);
  if (tensor.shape.join() !== expected.join()) {
    if (isClassifier && tensor.shape.slice(1).join() === expected.slice(1).join()) {
      throw new InputError(`${path} tells ${tensor.shape[0]} classes apart, the data set has ${expected[0]}`, {
        hints: [`classifier: new   # keeps all other weights and starts the classifier ("${name}") afresh`],
        where,
      });
    }
    throw new InputError(
      `${path}: "${name}" is [${tensor.shape.join(', ')}], this network's is [${expected.join(', ')}]`,
      { hints: ['the file is of another network or another variant of it'], where },
    );
  }
  return inOurOrder(tensor.data, expected, layout);
}

/** The first few names, and how many there are. */
function listed(names: string[]): string {
  const first = names.slice(0, 4).map((name) => `"${name}"`);
  return names.length > 4 ? `${first.join(', ')} and ${names.length - 4} more` : first.join(', ');
}

function publishedShape(shape: number[], layout: WeightLayout | undefined): number[] {
  switch (layout) {
    case 'dense':
      return [shape[1], shape[0]];
    case 'conv':
      return [shape[3], shape[2], shape[0], shape[1]];
    case 'token':
      return [1, 1, ...shape];
    case 'positions':
      return [1, ...shape];
    default:
      return shape;
  }
}

function inOurOrder(data: Float32Array, shape: number[], layout: WeightLayout | undefined): Float32Array {
  if (layout !== 'dense' && layout !== 'conv') return data;
  // Both put the outputs last and the inputs before them: [out, in, window] becomes [window, in, out].
  const [outputs, inputs] = shape;
  const window = data.length / (outputs * inputs);
  const result = new Float32Array(data.length);
  for (let o = 0, read = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let w = 0; w < window; w++) result[(w * inputs + i) * outputs + o] = data[read++];
    }
  }
  return result;
}

/** Positions interpolated to the network's grid; undefined when they are of the same number, or on no square grid. */
function onGrid(
  data: Float32Array,
  found: number[],
  [tokens, width]: number[],
  { grid, before }: { grid: [number, number]; before: number },
): Float32Array | undefined {
  const side = Math.sqrt(found[1] - before);
  if (found.length !== 3 || found[0] !== 1 || found[2] !== width || found[1] === tokens) return undefined;
  if (!Number.isInteger(side) || side === 0) return undefined;
  const positions = new Float32Array(tokens * width);
  positions.set(data.subarray(0, before * width));
  positions.set(resizeGrid(data.subarray(before * width), [side, side], grid), before * width);
  return positions;
}
