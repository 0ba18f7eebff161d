/** What tells of a student that talks itself into something, from the log. What is not measured is left out. */
export interface CollapseSigns {
  /** Mean entropy of the student's predictions, nats. */
  entropy?: number;
  /** Share of samples whose nearest center is this one, [K]. */
  shares?: readonly number[];
  /** Expected calibration error, from 0 to 1. */
  calibrationError?: number;
}

/** How far signs may go from what they were when stage 2 began. */
export interface CollapseLimits {
  /** Least entropy, as a share of that at the start. */
  entropy: number;
  /** Least number of clusters in use, as a share of that at the start. */
  clusters: number;
  /** Most that the calibration error may have risen. */
  calibrationError: number;
}

const defaults: CollapseLimits = { entropy: 0.1, clusters: 0.5, calibrationError: 0.1 };

/**
 * Warnings, one line each; none while all is well. Compared with the start of the stage, since a student of two classes uses two clusters
 * and an easy task needs little entropy.
 */
export function collapseWarnings(
  now: CollapseSigns,
  start: CollapseSigns,
  limits: Partial<CollapseLimits> = {},
): string[] {
  const { entropy, clusters, calibrationError } = { ...defaults, ...limits };
  const warnings: string[] = [];
  if (now.entropy !== undefined && start.entropy !== undefined && now.entropy < entropy * start.entropy) {
    warnings.push(
      `predictions have an entropy of ${now.entropy.toPrecision(3)} nats, ${start.entropy.toPrecision(3)} when stage 2 began: ` +
        'the confidence reward feeds on itself; try correct-gated, or less of it',
    );
  }
  if (now.shares && start.shares) {
    const [used, before] = [effectiveClusters(now.shares), effectiveClusters(start.shares)];
    if (used < clusters * before) {
      const largest = Math.max(...now.shares);
      warnings.push(
        `features gather at ${used.toFixed(1)} clusters, ${before.toFixed(1)} when stage 2 began; ` +
          `cluster ${now.shares.indexOf(largest)} holds ${Math.round(100 * largest)} % of the samples`,
      );
    }
  }
  if (
    now.calibrationError !== undefined &&
    start.calibrationError !== undefined &&
    now.calibrationError > start.calibrationError + calibrationError
  ) {
    warnings.push(
      `the calibration error is ${now.calibrationError.toFixed(3)}, ${start.calibrationError.toFixed(3)} when stage 2 began: ` +
        'the student is surer of itself than it is right',
    );
  }
  return warnings;
}

/** Share of samples in each of K clusters; zeros without samples. */
export function clusterShares(assignment: ArrayLike<number>, clusters: number): number[] {
  const counts = new Array<number>(clusters).fill(0);
  for (let i = 0; i < assignment.length; i++) counts[assignment[i]]++;
  return counts.map((count) => count / Math.max(1, assignment.length));
}

/** exp of the entropy of the shares: K when all clusters hold the same, 1 when one holds everything. */
export function effectiveClusters(shares: readonly number[]): number {
  return Math.exp(shares.reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0));
}
