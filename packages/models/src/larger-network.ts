import { InputError, z } from '@retort/core';
import type { NetworkSpec } from './network-spec.js';
import { type Naming, readWeights } from './published-weights.js';
import type { SafetensorsFile } from './safetensors-file.js';

const numbers = z.array(z.number().int().nonnegative()).min(1).optional();

/** Which blocks a network starts from: `path` and `blocks` of the option `initializeFrom`. */
export const largerNetworkOptions = {
  path: z.string().describe('safetensors file of a network that is deeper and otherwise alike, named as for weights.'),
  blocks: numbers.describe('Its blocks that are kept, counted from 0; by default as many as needed, evenly spaced.'),
};

/** {@link largerNetworkOptions} with those of a second encoder. */
export const largerClipOptions = {
  ...largerNetworkOptions,
  textBlocks: numbers.describe('As blocks, for the text encoder.'),
};

/**
 * Weights of a network from some blocks of a deeper one, and from all that is around them. Both have the same width; positions may lie
 * on another grid.
 *
 * @param blocks numbers of the file's blocks by what they are called before the number, `blocks` or `visual.blocks`; by default evenly
 * spaced, the first and the last among them
 * @returns as `readWeights` does
 * @throws InputError when the file has too few blocks, or what it has does not fit
 */
export async function readSomeBlocks(
  spec: NetworkSpec,
  file: SafetensorsFile,
  {
    naming,
    blocks,
    ...options
  }: {
    naming: Naming;
    blocks: Record<string, readonly number[] | undefined>;
    classifier?: 'published' | 'new';
    where?: string;
  },
): Promise<Map<string, Float32Array[]>> {
  const kept = new Map<string, readonly number[]>();
  for (const [prefix, asked] of Object.entries(blocks)) {
    const depth = spec.layers.filter(({ published }) => published?.match(anyBlock)?.[1] === prefix).length;
    kept.set(
      prefix,
      keptBlocks(depth, blockCount(file, naming, prefix), { asked, file, prefix, where: options.where }),
    );
  }
  const renumbered: Naming = (name) => {
    const [own, prefix, block] = /^((?:.*\.)?blocks)\.(\d+)/.exec(name) ?? [];
    return naming(own === undefined ? name : name.replace(own, `${prefix}.${kept.get(prefix)![Number(block)]}`));
  };
  return readWeights(spec, file, { ...options, naming: renumbered, larger: true });
}

/** The first layer of a block, once in each. */
const anyBlock = /^((?:.*\.)?blocks)\.\d+\.norm1$/;

/** How many blocks a file has under a published name. */
export function blockCount({ shapes }: SafetensorsFile, naming: Naming, prefix: string): number {
  let count = 0;
  while (shapes.has(naming(`${prefix}.${count}.norm1.weight`).parts[0])) count++;
  return count;
}

interface KeptOptions {
  asked: readonly number[] | undefined;
  file: SafetensorsFile;
  prefix: string;
  where: string | undefined;
}

function keptBlocks(depth: number, count: number, { asked, file, prefix, where }: KeptOptions): readonly number[] {
  const refuse = (message: string, ...hints: string[]): never => {
    throw new InputError(`${file.path} ${message}`, { hints, where });
  };
  if (count < depth) {
    refuse(`has ${count} blocks ("${prefix}"), this network ${depth}: it is to start from a larger one`);
  }
  if (!asked) {
    const step = depth === 1 ? 0 : (count - 1) / (depth - 1);
    return Array.from({ length: depth }, (_, i) => Math.round(i * step));
  }
  if (asked.length !== depth) {
    refuse(`is to give ${asked.length} blocks ("${prefix}"), this network has ${depth}`, 'name as many as depth says');
  }
  const beyond = asked.find((block) => block >= count);
  if (beyond !== undefined) refuse(`has blocks 0 to ${count - 1} ("${prefix}") and no ${beyond}`);
  return asked;
}
