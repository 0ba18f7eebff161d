import { type HostTensor, type Random, RunError, type StateTree } from '@retort/core';

/**
 * The last `capacity` transitions on the host, for environments, which show their observations there: adding one costs the same
 * whatever the capacity. (What weights of teachers are learned from lies where the networks are and is not read back: see
 * replay.ts.)
 */
export interface HostReplay {
  /** Transitions held. */
  readonly count: number;
  /** Puts a transition in the place of the oldest. @param row numbers of each name */
  add(row: Record<string, ArrayLike<number>>): void;
  /** Draws with replacement, every transition held being as likely. @returns [size, width] of each name */
  sample(size: number, random: Random): Record<string, HostTensor>;
  /** Only what is held. */
  save(): StateTree;
  /** @throws RunError when what was saved does not fit */
  load(state: StateTree): void;
}

/** @param widths numbers per transition of each name */
export function createHostReplay(capacity: number, widths: Record<string, number>): HostReplay {
  const names = Object.keys(widths);
  // Pages of memory that nothing was written to yet are not taken.
  const columns: Record<string, Uint8Array | Float32Array> = {};
  for (const name of names) columns[name] = new Uint8Array(capacity * widths[name]);
  let count = 0;
  let next = 0;
  // Bytes as long as all numbers of a column are whole and small, as those of grids are: a quarter of the memory.
  const widen = (name: string) => {
    const wide = new Float32Array(capacity * widths[name]);
    wide.set(columns[name].subarray(0, count * widths[name]));
    return (columns[name] = wide);
  };
  return {
    get count() {
      return count;
    },
    add: (row) => {
      for (const name of names) {
        const values = row[name];
        const fits = columns[name] instanceof Float32Array || areBytes(values);
        (fits ? columns[name] : widen(name)).set(values, next * widths[name]);
      }
      next = (next + 1) % capacity;
      count = Math.min(capacity, count + 1);
    },
    sample: (size, random) => {
      const places = Array.from({ length: size }, () => random.integer(count));
      return Object.fromEntries(
        names.map((name) => {
          const [width, column] = [widths[name], columns[name]];
          const data = new Float32Array(size * width);
          places.forEach((place, i) => data.set(column.subarray(place * width, (place + 1) * width), i * width));
          return [name, { data, shape: [size, width] }];
        }),
      );
    },
    save: () => ({
      next,
      columns: Object.fromEntries(
        names.map((name) => [
          name,
          { data: columns[name].slice(0, count * widths[name]), shape: [count, widths[name]] },
        ]),
      ),
    }),
    load: (state) => {
      const saved = state as { next: number; columns: Record<string, HostTensor> };
      for (const name of names) {
        const { data, shape } = saved.columns[name];
        if (shape[0] > capacity || shape[1] !== widths[name]) {
          throw new RunError(
            `transitions were saved with ${name} [${shape.join(', ')}], and here is room for [${capacity}, ${widths[name]}]`,
          );
        }
        count = shape[0];
        const length = capacity * widths[name];
        columns[name] = data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
        columns[name].set(data);
      }
      next = saved.next;
    },
  };
}

function areBytes(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (values[i] !== (values[i] & 255)) return false;
  return true;
}
