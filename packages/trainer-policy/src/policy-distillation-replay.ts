import { type HostTensor, InputError, type Random, type StateTree } from '@retort/core';

/** States with what teachers said of them, in host memory. When it is full the oldest make room. */
export interface LabeledReplay {
  /** Rows held. */
  readonly size: number;
  /** @param rows [N · …] by name, of all N copies */
  add(rows: Record<string, ArrayLike<number>>): void;
  /**
   * Rows drawn evenly, with replacement.
   *
   * @param task of copies i with i mod `tasks` = `task` only
   * @returns [B, …] by name
   */
  draw(random: Random, batchSize: number, only?: { task: number; tasks: number }): Record<string, HostTensor>;
  /** All rows, in order of their slots: of the oldest step first, where as many steps were added as there is room for. */
  all(): Record<string, HostTensor>;
  save(): StateTree;
  load(state: StateTree): void;
}

/**
 * @param capacity rows, rounded down to whole steps of all copies
 * @param copies N
 * @param shapes of a row, by name
 */
export function createLabeledReplay(
  capacity: number,
  copies: number,
  shapes: Record<string, readonly number[]>,
): LabeledReplay {
  const slots = Math.floor(capacity / copies) * copies;
  const widths = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, shape.reduce((product, length) => product * length, 1)]),
  );
  const columns = Object.fromEntries(
    Object.entries(widths).map(([name, width]) => [name, new Float32Array(slots * width)]),
  );
  let [size, next] = [0, 0];
  return {
    get size() {
      return size;
    },
    add(rows) {
      for (const [name, width] of Object.entries(widths)) {
        if (rows[name].length !== copies * width) {
          throw new InputError(`${rows[name].length} numbers of "${name}" for ${copies} rows of ${width}`);
        }
        columns[name].set(rows[name], next * width);
      }
      next = (next + copies) % slots;
      size = Math.min(slots, size + copies);
    },
    draw(random, batchSize, only) {
      const chosen = Int32Array.from({ length: batchSize }, () => {
        if (!only) return random.integer(size);
        // Row r is of copy r mod N: whole steps are added.
        const playing = Math.ceil((copies - only.task) / only.tasks);
        return random.integer(size / copies) * copies + only.task + only.tasks * random.integer(playing);
      });
      return Object.fromEntries(
        Object.entries(widths).map(([name, width]) => {
          const data = new Float32Array(batchSize * width);
          chosen.forEach((row, i) => data.set(columns[name].subarray(row * width, (row + 1) * width), i * width));
          return [name, { data, shape: [batchSize, ...shapes[name]] }];
        }),
      );
    },
    all: () =>
      Object.fromEntries(
        Object.entries(widths).map(([name, width]) => [
          name,
          { data: columns[name].slice(0, size * width), shape: [size, ...shapes[name]] },
        ]),
      ),
    save: () => ({
      size,
      next,
      columns: Object.fromEntries(
        Object.entries(widths).map(([name, width]) => [
          name,
          { data: columns[name].slice(0, size * width), shape: [size, width] },
        ]),
      ),
    }),
    load(state) {
      const saved = state as { size: number; next: number; columns: Record<string, HostTensor> };
      size = saved.size;
      next = saved.next;
      for (const [name, { data }] of Object.entries(saved.columns)) columns[name].set(data);
    },
  };
}
