import { type HostTensor, type Random, RunError, type StateTree } from '@retort/core';

/** Samples kept in host memory, all tensors of a sample side by side: images, labels, teachers' outputs. */
export interface HardBuffer {
  /** Samples held. */
  readonly size: number;
  /**
   * Which of these samples {@link add} would keep: all while there is room, then those the student has wrong; never those of which
   * that is unknown.
   */
  wanted(wrong: ArrayLike<number>): boolean[];
  /**
   * Keeps the wanted samples: in free places first, then in random places of others, no place twice.
   *
   * @param samples by name, [B, …] each; the names and shapes of the first call are those of all
   * @param wrong [B]: 1 where the student misclassifies, 0 where it is right, −1 where the label is unknown
   */
  add(samples: Record<string, HostTensor>, wrong: ArrayLike<number>, random: Random): void;
  /** As many samples as asked for, none twice, by name [count, …]. */
  draw(count: number, random: Random): Record<string, HostTensor>;
  save(): StateTree;
  load(state: StateTree): void;
}

/** At most `capacity` samples; the first that come, then hard ones in the places of others (MMKD's buffer). */
export function createHardBuffer(capacity: number): HardBuffer {
  let size = 0;
  let rows: Record<string, HostTensor> = {};
  const lengthOf = ({ shape }: HostTensor) => shape.slice(1).reduce((product, n) => product * n, 1);

  const wanted = (wrong: ArrayLike<number>) => {
    let room = capacity - size;
    return Array.from(wrong, (value) => value >= 0 && (room-- > 0 || value > 0));
  };

  return {
    get size() {
      return size;
    },
    wanted,
    add(samples, wrong, random) {
      for (const [name, { data, shape }] of Object.entries(size === 0 ? samples : {})) {
        const ofRow = [capacity, ...shape.slice(1)];
        const length = ofRow.reduce((product, n) => product * n, 1);
        rows[name] = { data: new (data.constructor as Float32ArrayConstructor)(length), shape: ofRow };
      }
      const taken = wanted(wrong).flatMap((keep, i) => (keep ? [i] : []));
      const free = Math.min(capacity - size, taken.length);
      // A sample that comes with this batch is not driven out by another of it.
      const others = random.shuffle(Array.from({ length: size }, (_, place) => place));
      const places = [...Array.from({ length: free }, (_, i) => size + i), ...others];
      for (const [name, row] of Object.entries(rows)) {
        const source = samples[name];
        if (!source) throw new RunError(`mmkd: a batch has no "${name}", and others had`);
        const length = lengthOf(row);
        taken.slice(0, places.length).forEach((sample, k) => {
          row.data.set(source.data.subarray(sample * length, (sample + 1) * length) as never, places[k] * length);
        });
      }
      size += free;
    },
    draw(count, random) {
      const places = random.shuffle(Array.from({ length: size }, (_, place) => place)).slice(0, count);
      return Object.fromEntries(
        Object.entries(rows).map(([name, row]) => {
          const length = lengthOf(row);
          const data = row.data.slice(0, count * length);
          places.forEach((place, k) =>
            data.set(row.data.subarray(place * length, (place + 1) * length) as never, k * length),
          );
          return [name, { data, shape: [count, ...row.shape.slice(1)] }];
        }),
      );
    },
    save: () => ({ size, rows: Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, copyOf(row)])) }),
    load(state) {
      const saved = state as { size: number; rows: Record<string, HostTensor> };
      size = saved.size;
      rows = Object.fromEntries(Object.entries(saved.rows).map(([name, row]) => [name, copyOf(row)]));
    },
  };
}

function copyOf({ data, shape }: HostTensor): HostTensor {
  return { data: data.slice(), shape: [...shape] };
}
