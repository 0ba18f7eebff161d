import type { MetricValue } from '@retort/core';
import { metricText, table } from './text.js';

/** Final numbers: a row for each metric that is one number, a column for each student, the test split first. */
export function resultsTable(results: Record<string, Record<string, MetricValue>>, head = 'student'): string {
  const students = Object.keys(results);
  const names = [...new Set(students.flatMap((student) => Object.keys(results[student])))].filter((name) =>
    students.some((student) => typeof results[student][name] === 'number'),
  );
  const rank = (name: string) => ['epoch', 'test/', 'validation/'].findIndex((prefix) => name.startsWith(prefix));
  const text = (name: string, value: MetricValue | undefined) =>
    name === 'epoch' && typeof value === 'number' ? String(value + 1) : metricText(name, value);
  const rows = names
    .sort((a, b) => rank(a) - rank(b))
    .map((name) => [name, ...students.map((student) => text(name, results[student][name]))]);
  return table(
    [head, ...students],
    rows,
    students.map((_, i) => i + 1),
  );
}
