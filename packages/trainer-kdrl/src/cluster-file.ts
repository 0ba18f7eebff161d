import {
  decodeSafetensors,
  encodeSafetensors,
  type HostTensor,
  InputError,
  messageOf,
  readInputFile,
  writeWhole,
} from '@retort/core';
import type { Clusters } from './spherical-k-means.js';

/** Writes clusters as a safetensors file, whole or not at all. @throws RunError when the disk refuses */
export function saveClusters(path: string, { centers, assignment, inertia, iterations }: Clusters): void {
  const tensors = { centers, assignment: { data: assignment, shape: [assignment.length] } };
  writeWhole(path, encodeSafetensors(tensors, { inertia: String(inertia), iterations: String(iterations) }));
}

/** What {@link saveClusters} wrote, bit for bit. @throws InputError naming the file when it is missing or another */
export async function loadClusters(path: string): Promise<Clusters> {
  const bytes = await readInputFile(path);
  const refuse = (why: string) => new InputError(`${path} is no file of clusters: ${why}`);
  let decoded: ReturnType<typeof decodeSafetensors>;
  try {
    decoded = decodeSafetensors(bytes);
  } catch (error) {
    throw refuse(messageOf(error));
  }
  const { tensors, metadata } = decoded;
  const { centers, assignment } = tensors as Partial<Record<'centers' | 'assignment', HostTensor>>;
  if (!(centers?.data instanceof Float32Array) || centers.shape.length !== 2) throw refuse('it has no centers [K, D]');
  if (!(assignment?.data instanceof Int32Array)) throw refuse('it has no assignment [N]');
  const clusters = centers.shape[0];
  const wrong = assignment.data.find((cluster) => cluster < 0 || cluster >= clusters);
  if (wrong !== undefined) throw refuse(`an embedding belongs to cluster ${wrong} of ${clusters}`);
  if (!centers.data.every(Number.isFinite)) throw refuse('a center is not finite');
  const [inertia, iterations] = [Number(metadata.inertia), Number(metadata.iterations)];
  return { centers, assignment: assignment.data, inertia, iterations };
}
