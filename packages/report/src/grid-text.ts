import { backendText, type GridSummary, type StudentKind } from './grid-summary.js';
import {
  boundsText,
  bytes,
  gridFormat,
  meanAndDeviation,
  meanAndInterval,
  pText,
  scoreAndInterval,
} from './grid-format.js';
import { duration, isScore } from './numbers.js';
import type { PairedDifference, Sample } from './statistics.js';

/** How the two students of a run are called. */
export const studentNames: Record<StudentKind, string> = { last: 'last epoch', best: 'best on validation' };

/** What the tables show, in a sentence each. */
export function explain({ grid, metric, differences }: GridSummary): { means: string; differences: string } {
  const { unit, differenceUnit } = gridFormat(grid.metric);
  const count = differences.filter(({ values }) => values.last?.p !== undefined).length;
  return {
    means: `${metric}${unit && ` in ${unit}`}: ${isScore(metric) ? 'interquartile mean (IQM) [its 95 % bootstrap interval], and mean ± standard deviation,' : 'mean ± standard deviation'} over seeds.`,
    differences: `Paired differences to ${grid.baseline} over common seeds${differenceUnit && `, in ${differenceUnit}`}: mean [95 % interval, Student's t]. One-sided 95 % bounds are each for itself: at least, at most. p: two-sided paired t-test${count > 0 ? `, and adjusted by Holm over ${count} ${count === 1 ? 'comparison' : 'comparisons'}` : ''}.`,
  };
}

/** The summary as Markdown. */
export function gridMarkdown(summary: GridSummary): string {
  const { grid, metric, arms, differences, remarks } = summary;
  const format = gridFormat(grid.metric);
  const text = explain(summary);
  const students = (['last', 'best'] as const).filter((student) => arms.some(({ values }) => values[student]));
  const robust = isScore(metric);
  const columns = robust ? 2 * students.length : students.length;
  const blocks = [
    `# ${grid.name}`,
    `${text.means} Time of training and peak memory: means.`,
    markdownTable(
      [
        ...['arm', 'n'],
        ...students.flatMap((student) => [...(robust ? [`${studentNames[student]}, IQM`] : []), studentNames[student]]),
        ...['time', 'memory', 'backend'],
      ],
      arms.map(({ name, runs, values, scores, seconds, memoryBytes }) => [
        name,
        String(runs.length),
        ...students.flatMap((student) => [
          ...(robust ? [scoreAndInterval(scores?.[student], format)] : []),
          meanAndDeviation(values[student], format),
        ]),
        duration(seconds?.mean),
        bytes(memoryBytes?.mean),
        [...new Set(runs.map(backendText))].join('; '),
      ]),
      2 + columns + 2,
    ),
  ];
  if (differences.length > 0) {
    blocks.push(text.differences);
    for (const student of students) {
      blocks.push(
        markdownTable(
          [studentNames[student], 'pairs', 'difference', 'one-sided', 'p', 'p, Holm'],
          differences.map(({ arm, values: { [student]: value } }) => [
            `${arm} − ${grid.baseline}`,
            String(value?.n ?? 0),
            meanAndInterval(value, format),
            boundsText(value?.bounds, format),
            pText(value?.p),
            pText(value?.adjustedP),
          ]),
          6,
        ),
      );
    }
  }
  if (remarks.length > 0) blocks.push(remarks.map((remark) => `- ${remark}`).join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

/** The first column and those from `right` on are set to the left. */
function markdownTable(head: string[], rows: string[][], right: number): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 || i >= right ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

/** A line per arm and student: raw numbers, fractions not in percent. Interquartile means where the metric is a score. */
export function gridCsv({ grid, metric, arms, differences }: GridSummary): string {
  const head = [
    ...['arm', 'student', 'metric', 'n', 'mean', 'deviation', 'low', 'high', 'baseline', 'pairs', 'difference'],
    ...['difference_low', 'difference_high', 'at_least', 'at_most', 'p', 'p_holm', 'seconds', 'memory_bytes'],
    ...(isScore(metric) ? ['iqm', 'iqm_low', 'iqm_high'] : []),
  ];
  const rows = arms.flatMap(({ name, values, scores, seconds, memoryBytes }) =>
    (['last', 'best'] as const).map((student) => {
      const sample: Sample | undefined = values[student];
      const difference: (PairedDifference & { adjustedP?: number }) | undefined = differences.find(
        ({ arm }) => arm === name,
      )?.values[student];
      return [
        ...[name, student, metric, sample?.n ?? 0, sample?.mean, sample?.deviation, ...pair(sample?.interval)],
        ...[difference && grid.baseline, difference?.n, difference?.mean, ...pair(difference?.interval)],
        ...[...pair(difference?.bounds), difference?.p, difference?.adjustedP, seconds?.mean, memoryBytes?.mean],
        ...(scores ? [scores[student]?.value, ...pair(scores[student]?.interval)] : []),
      ];
    }),
  );
  return csv(head, rows);
}

/** A line per finished run. */
export function runsCsv({ metric, arms }: GridSummary): string {
  return csv(
    [
      'arm',
      'seed',
      'metric',
      'last',
      'best',
      'seconds',
      'memory_bytes',
      'backend',
      'threads',
      'machine',
      'version',
      'commit',
    ],
    arms.flatMap(({ runs }) =>
      runs.map((run) => [
        ...[run.arm, run.seed, metric, run.last[metric], run.best?.[metric], run.seconds, run.memoryBytes],
        ...[run.backend, run.threads, run.machine, run.version, run.commit],
      ]),
    ),
  );
}

function pair(ends: [number, number] | undefined): [number?, number?] {
  return ends ?? [undefined, undefined];
}

type Cell = string | number | null | undefined;

/** Seven significant digits of what is not whole: beyond lies what the quantiles are not exact to. */
function csv(head: string[], rows: Cell[][]): string {
  const field = (value: Cell) => {
    if (value === undefined || value === null) return '';
    if (typeof value === 'number') return String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
    return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  return [head, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');
}
