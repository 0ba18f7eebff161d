import { RunError, type UpdateReport } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** Scalars of updates, kept on the device until they are read. Read before every checkpoint, it has no state. */
export interface UpdateLog {
  /** Takes the scalars over. */
  add(report: UpdateReport, prefix?: string): void;
  /** Means per name since the last call. @throws RunError naming what was not finite */
  read(): Promise<Record<string, number>>;
  dispose(): void;
}

export function createUpdateLog(): UpdateLog {
  let kept: Record<string, tf.Scalar[]> = {};
  return {
    add(report, prefix = '') {
      for (const [name, scalar] of Object.entries(report)) (kept[prefix + name] ??= []).push(scalar);
    },
    async read() {
      const values: Record<string, number> = {};
      const scalars = kept;
      kept = {};
      for (const [name, list] of Object.entries(scalars)) {
        const read = await Promise.all(list.map((scalar) => scalar.data()));
        tf.dispose(list);
        values[name] = read.reduce((sum, [value]) => sum + value, 0) / list.length;
        if (!Number.isFinite(values[name])) {
          throw new RunError(`the agent's ${name} is not finite`, {
            hints: ['try a lower learning rate, or normalizeReward: true where rewards are large'],
          });
        }
      }
      return values;
    },
    dispose: () => tf.dispose(kept),
  };
}
