import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeSafetensors, messageOf } from '@retort/core';
import { finite } from './numbers.js';

/** Clusters of a teacher's embeddings, projected on a plane by the trainer that made them. */
export interface ClusterPlot {
  /** [x, y]. */
  points: [number, number][];
  /** Cluster of each point. */
  cluster: number[];
  /** Class of each point, where it is known. */
  label?: number[];
  /** [x, y] by cluster. */
  centers: [number, number][];
  /** Names of the classes. */
  classes?: string[];
  /** What was clustered: that many embeddings of that many numbers; the points may be a part of them. */
  whole?: { embeddings: number; size: number; meanCosine?: number };
}

/** What a run folder holds of its clusters; `problem` says what is wrong with it. */
export function readClusterPlot(folder: string): { plot?: ClusterPlot; problem?: string } {
  const file = join(folder, 'clusters-plot.json');
  if (!existsSync(file)) return {};
  try {
    const plot = checkPlot(JSON.parse(readFileSync(file, 'utf8')));
    return { plot: { ...plot, whole: readWhole(join(folder, 'clusters.safetensors')) } };
  } catch (error) {
    return { problem: `the clusters are not drawn: ${file}: ${messageOf(error)}` };
  }
}

function checkPlot(json: unknown): ClusterPlot {
  const { points, cluster, label, centers, classes } = (json ?? {}) as Record<string, unknown>;
  const isPlace = (value: unknown) =>
    Array.isArray(value) && value.length === 2 && value.every((each) => finite(each) !== undefined);
  const isList = (value: unknown, below: number) =>
    Array.isArray(value) &&
    value.length === (points as unknown[]).length &&
    value.every((each) => Number.isInteger(each) && (each as number) >= 0 && (each as number) < below);
  if (!Array.isArray(points) || !points.every(isPlace)) throw new Error('"points" are no list of [x, y]');
  if (!Array.isArray(centers) || !centers.every(isPlace)) throw new Error('"centers" are no list of [x, y]');
  if (!isList(cluster, centers.length)) throw new Error('"cluster" does not give a center for each point');
  const known = label !== undefined && label !== null;
  if (known && !isList(label, Infinity)) throw new Error('"label" does not give a class for each point');
  return {
    points: points as [number, number][],
    cluster: cluster as number[],
    centers: centers as [number, number][],
    ...(known && { label: label as number[] }),
    ...(Array.isArray(classes) && classes.length > 0 && { classes: classes.map(String) }),
  };
}

/** From the clusters themselves. Their plot can be looked at without. */
function readWhole(file: string): ClusterPlot['whole'] {
  try {
    const { tensors, metadata } = decodeSafetensors(readFileSync(file));
    const embeddings = tensors.assignment.shape[0];
    const inertia = Number(metadata.inertia);
    // Inertia is the sum over embeddings of 1 − cosine to the own center.
    const meanCosine = metadata.inertia === undefined ? undefined : finite(1 - inertia / embeddings);
    return { embeddings, size: tensors.centers.shape[1], meanCosine };
  } catch {
    return undefined;
  }
}
