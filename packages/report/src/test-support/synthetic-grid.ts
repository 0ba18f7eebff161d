import type { GridResult } from '../grid-result.js';
import type { Grid } from '../grid-summary.js';

export interface SyntheticResult {
  arm: string;
  seed: number;
  last: number;
  best?: number;
  epochs?: number;
  teachers?: string[];
}

/** A result file's content. Validation rises to the last value; weights part over time. */
export function syntheticResult({
  arm,
  seed,
  last,
  best = last,
  epochs = 0,
  teachers = [],
}: SyntheticResult): GridResult {
  const axis = Array.from({ length: epochs }, (_, i) => i + 1);
  return {
    arm,
    seed,
    version: '0.1.0',
    machine: 'abacus, node v20',
    backend: 'wasm',
    threads: 1,
    seconds: 60 + seed,
    memoryBytes: 2 ** 28,
    last: { epoch: 9, 'test/top-1': last, 'test/nll': 2 - last },
    best: { epoch: 7, 'test/top-1': best },
    ...(epochs > 0 && {
      validation: { epoch: axis, 'top-1': axis.map((x) => Number((last * (1 - Math.exp(-x / 3))).toPrecision(5))) },
    }),
    ...(teachers.length > 0 && {
      weightsByEpoch: {
        logit: Object.fromEntries(
          teachers.map((id, m) => [
            id,
            axis.map((x) => 1 / teachers.length + (m - (teachers.length - 1) / 2) * 0.01 * x),
          ]),
        ),
      },
    }),
  };
}

/** Five seeds of three arms, as exact binary fractions of a percent would not be: 0.60 to 0.70. */
export function syntheticGrid({ epochs = 0, name = 'three-arms' }: { epochs?: number; name?: string } = {}): Grid {
  const values = {
    none: [0.61, 0.62, 0.6, 0.63, 0.61],
    equal: [0.68, 0.67, 0.66, 0.69, 0.67],
    agent: [0.62, 0.61, 0.62, 0.63, 0.62],
  };
  return {
    name,
    metric: 'top-1',
    baseline: 'none',
    arms: Object.keys(values).map((arm) => ({ name: arm, about: `trainer.weighting=${arm}`, seeds: [1, 2, 3, 4, 5] })),
    results: Object.entries(values).flatMap(([arm, list]) =>
      list.map((last, i) =>
        syntheticResult({
          arm,
          seed: i + 1,
          last,
          best: last + 0.01,
          epochs,
          teachers: arm === 'none' ? [] : ['r20', 'vit'],
        }),
      ),
    ),
    failures: [],
  };
}

/** Five seeds of three arms that act: returns of a cart-pole over environment steps, counted per epoch. */
export function syntheticActingGrid(): Grid {
  const returns = {
    teacher: [500, 498.5, 500, 412, 500],
    scratch: [231, 180.5, 322, 41, 205],
    student: [500, 471, 488.25, 455, 499],
  };
  const axis = Array.from({ length: 10 }, (_, i) => i + 1);
  return {
    name: 'policy-cart-pole',
    metric: 'return',
    baseline: 'scratch',
    arms: Object.keys(returns).map((name) => ({ name, about: `manifests/${name}.yaml`, seeds: [1, 2, 3, 4, 5] })),
    results: Object.entries(returns).flatMap(([arm, list]) =>
      list.map((last, i): GridResult => {
        const { seed, version, machine, backend, threads, seconds, memoryBytes } = syntheticResult({
          ...{ arm, seed: i + 1, last: 0 },
        });
        return {
          ...{ arm, seed, version, machine, backend, threads, seconds, memoryBytes },
          last: { epoch: 9, 'test/return': last, 'test/episode-length': last },
          best: { epoch: 8, 'test/return': last },
          validation: {
            epoch: axis,
            return: axis.map((x) => Number((last * (1 - Math.exp(-x / (2 + i / 4)))).toPrecision(5))),
          },
          seen: { unit: 'environment steps', counts: axis.map((x) => x * 2048) },
        };
      }),
    ),
    failures: [],
  };
}
