import type { MetricValue } from './metric.js';

/** Where a run stands. */
export interface Position {
  epoch: number;
  /** 0-based over the whole run. */
  step: number;
}

/** Everything a run tells while it goes. Those marked logged become a line of metrics.jsonl, `time` added. */
export type RunEvent =
  | { type: 'info'; message: string }
  | { type: 'warning'; message: string }
  | { type: 'backend'; name: string; reason: string }
  /** Logged once per start or resume. */
  | {
      type: 'run-start';
      name: string;
      epochs: number;
      stepsPerEpoch: number;
      batchSize: number;
      /** What `images` counts where it is no images: `environment steps`. */
      unit?: string;
      parameters: number;
      classes: string[];
      teachers: string[];
      resumedAt?: Position;
    }
  /** Never logged: how far long work is that is no training, such as asking a teacher about every image. */
  | { type: 'work'; what: string; done: number; of: number }
  /** Every step, never logged: drives the progress bar. */
  | { type: 'progress'; epoch: number; step: number; stepInEpoch: number; images: number }
  /** Logged every `logEvery` steps: means since the last one. */
  | { type: 'step'; epoch: number; step: number; learningRate: number; values: Record<string, number> }
  /** Logged at the end of an epoch. `weights` is the mean weight per head and teacher; `weightsByClass` [class][teacher]. */
  | {
      type: 'epoch';
      epoch: number;
      step: number;
      seconds: number;
      imagesPerSecond: number;
      weights?: Record<string, Record<string, number>>;
      weightsByClass?: Record<string, number[][]>;
    }
  /** Logged. `student` is `current` while the run goes, then `last` and `best`. */
  | {
      type: 'evaluation';
      epoch: number;
      step: number;
      split: string;
      student: string;
      values: Record<string, MetricValue>;
    }
  | { type: 'checkpoint'; epoch: number; step: number; path: string; bytes: number }
  /** Logged. */
  | {
      type: 'run-end';
      status: 'finished' | 'interrupted';
      seconds: number;
      results: Record<string, Record<string, MetricValue>>;
    };

export type Emit = (event: RunEvent) => void;

const loggedTypes = new Set<RunEvent['type']>([
  'run-start',
  'step',
  'epoch',
  'evaluation',
  'run-end',
  'warning',
  'backend',
]);

/** Whether an event becomes a line of metrics.jsonl. */
export function isLogged(event: RunEvent): boolean {
  return loggedTypes.has(event.type);
}
