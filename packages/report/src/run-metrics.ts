import type { LineChart, Series } from './line-chart.js';
import { finite, isFraction, percent, plain } from './numbers.js';
import type { RunSummary } from './run-summary.js';

/**
 * Where on the x axis something that was logged at `epoch` and `step` stands: epochs done by then, or what had been seen where the
 * run counts something else than images.
 */
export function placeOf(run: RunSummary, { epoch, step }: { epoch: number; step: number }): number {
  const epochs = run.stepsPerEpoch ? (step + 1) / run.stepsPerEpoch : epoch + 1;
  return run.unit === undefined ? epochs : seenAfter(run, epochs);
}

/** What the x axis counts. */
export function placeUnit(run: RunSummary): string {
  return run.unit ?? 'epoch';
}

/** @param epochs done, the last one perhaps in part; one that is not over yet is taken to be like the one before */
function seenAfter({ seen, batchSize, stepsPerEpoch }: RunSummary, epochs: number): number {
  const whole = Math.min(Math.floor(epochs), seen.length);
  const before = whole > 0 ? seen[whole - 1] : 0;
  const size = whole < seen.length ? seen[whole] - before : (seen[0] ?? (batchSize ?? 1) * (stepsPerEpoch ?? 1));
  return Math.round(before + (epochs - whole) * size);
}

/** The highest validation accuracy of the student in training, where the best student was not evaluated by itself. */
export function bestValidation(run: RunSummary, metric: string): { value: number; epoch: number } | undefined {
  if (!/^top-\d+$/.test(metric)) return undefined;
  if (run.finals.some(({ split, student }) => split === 'validation' && student === 'best')) return undefined;
  let best: { value: number; epoch: number } | undefined;
  for (const event of run.evaluations) {
    const value = finite(event.values[metric]);
    if (event.split !== 'validation' || value === undefined || (best && value <= best.value)) continue;
    best = { value, epoch: event.epoch + 1 };
  }
  return best;
}

/**
 * A metric on the held-out splits over time: a line for the student in training, points for those of the end, the best one
 * at the epoch it was taken.
 */
export function metricSeries(run: RunSummary, metric: string): Series[] {
  const series = new Map<string, Series>();
  const inTraining = new Set(run.evaluations.filter(({ student }) => student === 'current').map(({ split }) => split));
  for (const event of run.evaluations) {
    const { split, student } = event;
    const value = event.values[metric];
    if (value === undefined || Array.isArray(value) || (student === 'last' && inTraining.has(split))) continue;
    const name = student === 'current' ? split : `${split}, ${student}`;
    if (!series.has(name)) series.set(name, { name, points: [] });
    const x = student === 'best' && run.bestEpoch !== undefined ? bestPlace(run, run.bestEpoch) : placeOf(run, event);
    series.get(name)!.points.push({ x, y: finite(value) });
  }
  return [...series.values()];
}

function bestPlace(run: RunSummary, epochs: number): number {
  return run.unit === undefined ? epochs : seenAfter(run, epochs);
}

/** A metric as text: percent for fractions; a value that went missing or was not finite is told so. */
export function formatMetric(name: string, value: unknown): string {
  if (value === null) return 'not finite';
  return isFraction(name) ? percent(finite(value)) : plain(finite(value));
}

/** How a chart of the metric writes its numbers. */
export function metricFormat(name: string): Pick<LineChart, 'format' | 'axisFormat' | 'limits'> {
  if (!isFraction(name)) return {};
  return {
    format: (y) => percent(y),
    axisFormat: (y) => `${plain(Number((y * 100).toPrecision(6)))}%`,
    limits: [0, 1],
  };
}

/** The name of a metric as a title: `top-1` → `Top-1 accuracy`. */
export function sentence(name: string): string {
  const words = /^top-\d+$/.test(name)
    ? `${name} accuracy`
    : name.replace(/-(?=[a-z])/g, ' ').replace(/(?<=[a-z])[A-Z](?=[a-z])/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}
