import { InputError, type Seeds } from '@retort/core';

/** A sample's number in its source and its class, {@link UNLABELLED} where that is not known. */
export interface Sample {
  index: number;
  label: number;
}

/** The label of a train sample whose class is not told. */
export const UNLABELLED = -1;

/**
 * Takes a fraction of every class. Each sample has a random rank that depends on the seed and its number only, and the lowest
 * ranks of a class are taken: adding samples to a source moves few others across. A class keeps at least one sample.
 *
 * @returns both parts in the order of `samples`
 */
export function splitByClass(samples: Sample[], fraction: number, seeds: Seeds): { taken: Sample[]; rest: Sample[] } {
  const taken = new Set<Sample>();
  for (const members of rankedByClass(samples, seeds)) {
    const count = Math.min(Math.round(members.length * fraction), members.length - 1);
    for (const sample of members.slice(0, count)) taken.add(sample);
  }
  return {
    taken: samples.filter((sample) => taken.has(sample)),
    rest: samples.filter((sample) => !taken.has(sample)),
  };
}

/**
 * Deals the samples into `folds` parts that differ by one sample of each class, and one in all, at most: every sample is in one
 * of them (cross-validation). Ranks as in {@link splitByClass}.
 *
 * @returns part `fold`, from 0, and the others together, both in the order of `samples`
 */
export function foldByClass(
  samples: Sample[],
  { folds, fold }: { folds: number; fold: number },
  seeds: Seeds,
): { taken: Sample[]; rest: Sample[] } {
  const dealt = rankedByClass(samples, seeds).flat();
  const taken = new Set(dealt.filter((_, place) => place % folds === fold));
  return {
    taken: samples.filter((sample) => taken.has(sample)),
    rest: samples.filter((sample) => !taken.has(sample)),
  };
}

/**
 * Which labels are known where a fraction of every class is, one sample of each at least. A greater fraction knows the same ones
 * and more. Ranks as in {@link splitByClass}.
 */
export function labelledByClass(samples: Sample[], fraction: number, seeds: Seeds): Set<Sample> {
  return new Set(
    rankedByClass(samples, seeds).flatMap((members) =>
      members.slice(0, Math.max(1, Math.round(members.length * fraction))),
    ),
  );
}

/** `count` samples, as evenly over the classes as they allow, in the order of `samples`. */
export function limitByClass(samples: Sample[], count: number | undefined, seeds: Seeds): Sample[] {
  if (count === undefined || count >= samples.length) return samples;
  const kept = new Set<Sample>();
  const classes = rankedByClass(samples, seeds);
  for (let rank = 0; kept.size < count; rank++) {
    for (const members of classes) if (rank < members.length && kept.size < count) kept.add(members[rank]);
  }
  return samples.filter((sample) => kept.has(sample));
}

/** @throws InputError when one of `classNumbers` is no class */
export function checkClassNumbers(option: string, classNumbers: number[], classes: number, where: string): void {
  const wrong = classNumbers.find((number) => number >= classes);
  if (wrong !== undefined) {
    throw new InputError(`${option} names class ${wrong}, but the classes are 0 to ${classes - 1}`, { where });
  }
}

function rankedByClass(samples: Sample[], seeds: Seeds): Sample[][] {
  const classes = new Map<number, { sample: Sample; rank: number }[]>();
  for (const sample of samples) {
    if (!classes.has(sample.label)) classes.set(sample.label, []);
    classes.get(sample.label)!.push({ sample, rank: seeds.at('rank', sample.index).bits() });
  }
  return [...classes.keys()]
    .sort((a, b) => a - b)
    .map((label) =>
      classes
        .get(label)!
        .sort((a, b) => a.rank - b.rank || a.sample.index - b.sample.index)
        .map(({ sample }) => sample),
    );
}
