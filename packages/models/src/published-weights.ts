import { InputError } from '@retort/core';
import type { WeightLayout, WeightRule } from './layer-rule.js';
import { inferShapes, type LayerSpec, type NetworkSpec, ruleOf } from './network-spec.js';
import { resizeGrid } from './resize-grid.js';
import { type SafetensorsFile, withSafetensors } from './safetensors-file.js';

/** Where a file keeps a tensor that a network knows under its published name. */
export interface TensorPlace {
  /** Under one name, or under several, one below the other along the first axis. */
  parts: string[];
  /** Its two axes are swapped. */
  swapped?: boolean;
}

/** From published names to a file's own. */
export type Naming = (published: string) => TensorPlace;

/** Names are the published ones. */
export const asPublished: Naming = (name) => ({ parts: [name] });

/** Buffers that files have and nobody learns. */
const buffers = /(^|\.)(num_batches_tracked|position_ids|attn_mask|input_resolution|context_length|vocab_size)$/;

interface PublishedWeightsOptions {
  /** `new` leaves the file's classifier out: it is drawn like one that was never trained. */
  classifier?: 'published' | 'new';
  /** What the file calls its tensors, where that is not their published names. */
  naming?: Naming;
  /** The file is of a larger network: what else it has does not matter. */
  larger?: boolean;
  where?: string;
}

/**
 * Weights of a network from a safetensors file in which they have their published names (torchvision's, timm's), in our order of axes.
 * Positions that were learned on another grid of patches are interpolated, and of those of longer texts the first are taken. Shapes
 * are checked before anything is read, and tensors are read one by one.
 *
 * @returns by layer name, what `buildStudent` takes in place of drawn values
 * @throws InputError when the file is damaged, lacks a tensor, has one of another shape, or has one that the network does not have
 */
export function readPublishedWeights(
  spec: NetworkSpec,
  path: string,
  options: PublishedWeightsOptions = {},
): Promise<Map<string, Float32Array[]>> {
  return withSafetensors(path, options, (file) => readWeights(spec, file, options));
}

/** {@link readPublishedWeights} of a file that is open. */
export async function readWeights(
  spec: NetworkSpec,
  file: SafetensorsFile,
  { classifier = 'published', naming = asPublished, larger = false, where }: PublishedWeightsOptions = {},
): Promise<Map<string, Float32Array[]>> {
  const shapes = inferShapes(spec);
  const readers = new Map<string, (() => Promise<Float32Array>)[]>();
  const known = new Set<string>();
  for (const layer of spec.layers) {
    if (layer.published === undefined) continue;
    const isClassifier = layer.name === spec.outputs.logits;
    const rules = ruleOf(layer.config).weights?.(layer.config, shapes.get(layer.from[0])!) ?? [];
    const places = rules.map((rule) => naming(`${layer.published}${rule.published}`));
    for (const name of places.flatMap(({ parts }) => parts)) known.add(name);
    if (isClassifier && classifier === 'new') continue;
    readers.set(
      layer.name,
      rules.map((rule, i) => weightReader(file, layer, rule, { place: places[i], larger, where, isClassifier })),
    );
  }
  const others = [...file.shapes.keys()].filter((name) => !known.has(name) && !buffers.test(name));
  if (others.length > 0 && !larger) {
    throw new InputError(`${file.path} has what this network does not: ${listed(others)}`, {
      hints: ['the file is of another variant of the network'],
      where,
    });
  }
  const values = new Map<string, Float32Array[]>();
  for (const [layer, ofLayer] of readers) {
    const read: Float32Array[] = [];
    for (const reader of ofLayer) read.push(await reader());
    values.set(layer, read);
  }
  return values;
}

interface WeightReaderOptions {
  place: TensorPlace;
  larger: boolean;
  isClassifier: boolean;
  where: string | undefined;
}

/** Checks a tensor's shape, and gives what reads it. */
function weightReader(
  file: SafetensorsFile,
  { config }: LayerSpec,
  { shape, layout }: WeightRule,
  { place: { parts, swapped }, larger, where, isClassifier }: WeightReaderOptions,
): () => Promise<Float32Array> {
  const { path, shapes } = file;
  const missing = parts.find((name) => !shapes.has(name));
  if (missing !== undefined) {
    throw new InputError(`${path} has no tensor "${missing}"`, {
      hints: [
        'the file is of another network, or calls its tensors by other names than the published ones',
        `it has ${listed([...shapes.keys()])}`,
      ],
      where,
    });
  }
  const found = shapes.get(parts[0])!;
  if (layout === 'positions' && config.type === 'positions') {
    const placed = placedPositions(bare(found), shape, config);
    if (placed) return async () => placed(await readPart(file, parts[0], where));
  }
  const published = publishedShape(shape, layout);
  const whole = swapped ? published.toReversed() : published;
  const expected = whole.map((size, axis) => (axis === 0 ? size / parts.length : size));
  const hint =
    config.type === 'token-embedding'
      ? 'a row per id of a vocabulary: give the data set the tokenizer that the file was trained with'
      : larger
        ? 'only the number of blocks may be another: width, heads, patches and vocabulary are those of the larger network'
        : 'the file is of another network or another variant of it';
  for (const name of parts) checkShape(path, name, { found: shapes.get(name)!, expected, isClassifier, hint, where });
  return async () => {
    const read: Float32Array[] = [];
    for (const name of parts) read.push(await readPart(file, name, where));
    const data = read.length === 1 ? read[0] : joined(read);
    return swapped ? data : inOurOrder(data, published, layout);
  };
}

function checkShape(
  path: string,
  name: string,
  {
    found,
    expected,
    isClassifier,
    hint,
    where,
  }: { found: number[]; expected: number[]; isClassifier: boolean; hint: string; where: string | undefined },
): void {
  if (bare(found).join() === bare(expected).join()) return;
  if (isClassifier && found.slice(1).join() === expected.slice(1).join()) {
    throw new InputError(`${path} tells ${found[0]} classes apart, the data set has ${expected[0]}`, {
      hints: [`classifier: new   # keeps all other weights and starts the classifier ("${name}") afresh`],
      where,
    });
  }
  throw new InputError(`${path}: "${name}" is [${found.join(', ')}], this network's is [${expected.join(', ')}]`, {
    hints: [hint],
    where,
  });
}

async function readPart(file: SafetensorsFile, name: string, where: string | undefined): Promise<Float32Array> {
  const { data } = await file.read(name);
  if (data instanceof Float32Array) return data;
  throw new InputError(`${file.path}: "${name}" holds integers, weights are floating-point numbers`, { where });
}

function joined(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Without leading axes of length one. */
function bare(shape: number[]): number[] {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? [] : shape.slice(first);
}

/** The first few names, and how many there are. */
export function listed(names: string[]): string {
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

/**
 * How positions of another number become those of this network: interpolated to its grid, or the first of a longer text's; undefined
 * when they are of the same number, or lie on no square grid.
 */
function placedPositions(
  [count, columns]: number[],
  [tokens, width]: number[],
  { grid, before = 0 }: { grid?: [number, number]; before?: number },
): ((data: Float32Array) => Float32Array) | undefined {
  if (columns !== width || count === tokens) return undefined;
  if (!grid) return count > tokens ? (data) => data.slice(0, tokens * width) : undefined;
  const side = Math.sqrt(count - before);
  if (!Number.isInteger(side) || side === 0) return undefined;
  return (data) => {
    const positions = new Float32Array(tokens * width);
    positions.set(data.subarray(0, before * width));
    positions.set(resizeGrid(data.subarray(before * width), [side, side], grid), before * width);
    return positions;
  };
}
