import type { LineChart, Series } from './line-chart.js';
import { finite, isFraction, percent, plain } from './numbers.js';
import type { RunSummary } from './run-summary.js';

/** Where on the x axis something that was logged at `epoch` and `step` stands: epochs done by then. */
export function epochsAt(run: RunSummary, { epoch, step }: { epoch: number; step: number }): number {
  return run.stepsPerEpoch ? (step + 1) / run.stepsPerEpoch : epoch + 1;
}

/** The highest validation accuracy of the student in training, where the best student was not evaluated by itself. */
export function bestValidation(run: RunSummary, metric: string): { value: number; epoch: number } | undefined {
  if (!/^top-\d+$/.test(metric)) return undefined;
  if (run.finals.some(({ split, student }) => split === 'validation' && student === 'best')) return undefined;
  let best: { value: number; epoch: number } | undefined;
  for (const event of run.evaluations) {
    const value = finite(event.values[metric]);
    if (event.split !== 'validation' || value === undefined || (best && value <= best.value)) continue;
    best = { value, epoch: Math.round(epochsAt(run, event)) };
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
    const x = student === 'best' && run.bestEpoch !== undefined ? run.bestEpoch : epochsAt(run, event);
    series.get(name)!.points.push({ x, y: finite(value) });
  }
  return [...series.values()];
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
  const words = /^top-\d+$/.test(name) ? `${name} accuracy` : name.replace(/-(?=[a-z])/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
