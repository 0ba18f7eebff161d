import {
  boundsText,
  bytes,
  gridFormat,
  meanAndDeviation,
  meanAndInterval,
  type MetricFormat,
  pText,
  scoreAndInterval,
} from './grid-format.js';
import type { GridResult } from './grid-result.js';
import {
  type ArmSummary,
  backendText,
  type GridSummary,
  type StudentKind,
  valueOf,
  versionText,
} from './grid-summary.js';
import { explain, studentNames } from './grid-text.js';
import { intervalChart } from './interval-chart.js';
import { lineChart, type Point, type Series } from './line-chart.js';
import { markup, type Content, type Markup } from './markup.js';
import { duration, finite, isFraction, isScore, plain } from './numbers.js';
import { page } from './page.js';
import { formatMetric, metricFormat } from './run-metrics.js';
import { scoreCurve } from './score-curve.js';
import { mean, standardDeviation } from './statistics.js';

const students: readonly StudentKind[] = ['last', 'best'];

/** The comparison as one HTML page that is whole in itself. Pure: the same grid gives the same text. */
export function renderGrid(summary: GridSummary): string {
  const { grid, arms, remarks } = summary;
  const [done, all] = [arms.flatMap(({ runs }) => runs).length, arms.flatMap(({ seeds }) => seeds).length];
  const body = markup`<header class="head">
      <h1>${grid.name}</h1>
      <span class="status ${done === all && 'finished'}">${done === all ? `${all} runs` : `${done} of ${all} runs`}</span>
    </header>
    ${facts(summary)}
    ${
      remarks.length > 0 &&
      markup`<ul class="warnings" aria-label="Remarks">
        ${remarks.map((remark) => markup`<li>${remark}</li>`)}
      </ul>`
    }
    ${results(summary)}${differences(summary)}${training(summary)}${weights(summary)}${cost(summary)}${runTable(summary)}`;
  return page(grid.name, body, 'Written by retort compare from the result files of its runs.');
}

function facts({ grid, metric, arms }: GridSummary): Content {
  const runs = arms.flatMap((arm) => arm.runs);
  const list: [string, string][] = [
    ['Metric', metric],
    ['Baseline', grid.baseline],
    ['Seeds', [...new Set(arms.flatMap(({ seeds }) => seeds))].sort((a, b) => a - b).join(', ')],
    ['Machine', [...new Set(runs.map(({ machine }) => machine))].join('; ')],
    ['Version', [...new Set(runs.map(versionText))].join('; ')],
  ];
  return markup`<dl class="facts">
    ${list.map(
      ([name, value]) =>
        value !== '' &&
        markup`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function results(summary: GridSummary): Content {
  const { grid, metric, arms } = summary;
  const format = gridFormat(grid.metric);
  const robust = isScore(metric);
  return markup`<h2>Results</h2>
    ${table(
      explain(summary).means,
      [
        ...['arm', 'what', 'runs'],
        ...students.flatMap((student) =>
          robust ? [`${studentNames[student]}, IQM`, studentNames[student]] : [studentNames[student], '95 % interval'],
        ),
      ],
      arms.map(({ name, about, runs, values, scores }) => [
        name,
        about,
        runs.length,
        ...students.flatMap((student) =>
          robust
            ? [scoreAndInterval(scores?.[student], format), meanAndDeviation(values[student], format)]
            : [
                meanAndDeviation(values[student], format),
                values[student]?.interval?.map(format.number).join(' to ') ?? '–',
              ],
        ),
      ]),
      2,
    )}
    <div class="charts">
      ${students.map((student) =>
        intervalChart({
          title: `${metric}, ${studentNames[student]}`,
          note: `Small dots: runs. Large dot and bar: ${robust ? 'interquartile mean' : 'mean'} over seeds and its 95 % ${robust ? 'bootstrap ' : ''}interval.`,
          axisFormat: axisFormat(format),
          rows: arms.flatMap((arm, color) => {
            const sample = arm.values[student];
            if (!sample) return [];
            const score = arm.scores?.[student];
            return {
              name: arm.name,
              color,
              mean: score?.value ?? sample.mean,
              interval: (score ?? sample).interval,
              values: arm.runs.flatMap((run) => valueOf(run, student, metric) ?? []),
              text: `${arm.name}: ${score ? scoreAndInterval(score, format) : meanAndInterval(sample, format)}, n = ${sample.n}`,
            };
          }),
        }),
      )}
    </div>`;
}

function differences(summary: GridSummary): Content {
  const { grid, arms, differences: list } = summary;
  const format = gridFormat(grid.metric);
  return (
    list.length > 0 &&
    markup`<h2>Differences to ${grid.baseline}</h2>
      <p><small>${explain(summary).differences}</small></p>
      ${students.map((student) =>
        table(
          studentNames[student],
          ['arm', 'pairs', 'difference', 'one-sided', 'p', 'p, Holm'],
          list.map(({ arm, values: { [student]: value } }) => [
            arm,
            value?.n ?? 0,
            meanAndInterval(value, format),
            boundsText(value?.bounds, format),
            pText(value?.p),
            pText(value?.adjustedP),
          ]),
        ),
      )}
      <div class="charts">
        ${students.map((student) =>
          intervalChart({
            title: `Minus ${grid.baseline}, ${studentNames[student]}`,
            note: `Mean of the paired differences and its 95 % interval${format.differenceUnit && `, in ${format.differenceUnit}`}.`,
            axisFormat: axisFormat({ ...format, unit: '' }),
            reference: { x: 0, label: grid.baseline },
            rows: list.flatMap(({ arm, values: { [student]: value } }) =>
              value
                ? {
                    name: arm,
                    color: arms.findIndex(({ name }) => name === arm),
                    mean: value.mean,
                    interval: value.interval,
                    text: `${arm} − ${grid.baseline}: ${meanAndInterval(value, format)}, ${value.n} pairs`,
                  }
                : [],
            ),
          }),
        )}
      </div>`
  );
}

function training({ metric, arms }: GridSummary): Content {
  const measured = arms.flatMap(({ runs }) => runs.flatMap(({ validation }) => Object.keys(validation ?? {})));
  const wanted = metric.replace(/^\w+\//, '');
  const name = measured.includes(wanted) ? wanted : measured.find((one) => one !== 'epoch');
  if (name === undefined) return undefined;
  const robust = isScore(name);
  const units = new Set(arms.flatMap(({ runs }) => runs.map(({ seen }) => seen?.unit)));
  // Runs that count different things have only their epochs in common.
  const unit = units.size === 1 ? [...units][0] : undefined;
  const series = arms.flatMap((arm, color): Series[] => {
    const runs = arm.runs.map(({ validation, seen }) => ({
      x: (unit === undefined ? validation?.epoch : seen?.counts) ?? [],
      y: validation?.[name] ?? [],
    }));
    const points = robust ? scoreCurve(runs) : meanCurve(runs, isFraction(name) ? [0, 1] : undefined);
    return points.length > 0 ? [{ name: arm.name, points, color }] : [];
  });
  const chart = lineChart({
    title: `Validation ${name}`,
    note: robust
      ? 'Interquartile mean over seeds; band: its 95 % bootstrap interval.'
      : 'Mean over seeds; band: one standard deviation to each side.',
    xLabel: unit ?? 'epoch',
    wide: true,
    series,
    ...metricFormat(name),
  });
  return (
    chart &&
    markup`<h2>Training</h2>
      <div class="charts">${chart}</div>`
  );
}

function weights({ arms }: GridSummary): Content {
  const charts = arms.flatMap((arm) => {
    const heads = [...new Set(arm.runs.flatMap(({ weightsByEpoch }) => Object.keys(weightsByEpoch ?? {})))];
    return heads.flatMap((head) => {
      const of = (run: GridResult) => run.weightsByEpoch?.[head] ?? {};
      const teachers = [...new Set(arm.runs.flatMap((run) => Object.keys(of(run))))];
      return (
        lineChart({
          title: `${arm.name}: ${head}`,
          xLabel: 'epoch',
          series: teachers.map((teacher) => ({
            name: teacher,
            points: meanCurve(
              arm.runs.map((run) => ({ x: of(run)[teacher]?.map((_, epoch) => epoch + 1), y: of(run)[teacher] })),
            ),
          })),
          format: (y) => y.toFixed(3),
          axisFormat: plain,
          include: [0],
          reference: teachers.length > 1 ? { y: 1 / teachers.length, label: 'equal' } : undefined,
        }) ?? []
      );
    });
  });
  return (
    charts.length > 0 &&
    markup`<h2>Teacher weights</h2>
      <p>
        <small>
          Means over the samples of an epoch and over seeds; band: one standard deviation over seeds. What starts with
          “generator” was proposed, the others multiplied the losses.
        </small>
      </p>
      <div class="charts">${charts}</div>`
  );
}

function cost({ arms }: GridSummary): Content {
  const seconds = (sample: ArmSummary['seconds']) =>
    sample && `${duration(sample.mean)}${sample.deviation === undefined ? '' : ` ± ${duration(sample.deviation)}`}`;
  const largest = (runs: GridResult[]) => {
    const sizes = runs.flatMap(({ memoryBytes }) => memoryBytes ?? []);
    return sizes.length > 0 ? Math.max(...sizes) : undefined;
  };
  return markup`<h2>Time and memory</h2>
    ${table(
      'Training time of a run, evaluations left out, and the most memory its process held.',
      ['arm', 'backend', 'runs', 'time', 'memory, mean', 'memory, most'],
      arms.map(({ name, runs, seconds: time, memoryBytes }) => [
        name,
        [...new Set(runs.map(backendText))].join('; '),
        runs.length,
        seconds(time) ?? '–',
        bytes(memoryBytes?.mean),
        bytes(largest(runs)),
      ]),
      2,
    )}`;
}

function runTable({ grid, metric, arms }: GridSummary): Content {
  const name = metric.replace(/^\w+\//, '');
  return markup`<h2>Runs</h2>
    <details>
      <summary>Every run</summary>
      ${table(
        metric,
        ['arm', 'seed', ...students.map((student) => studentNames[student]), 'time', 'memory'],
        arms.flatMap(({ runs }) =>
          runs.map((run) => [
            run.arm,
            run.seed,
            ...students.map((student) => formatMetric(name, run[student]?.[metric])),
            duration(run.seconds),
            bytes(run.memoryBytes),
          ]),
        ),
      )}
    </details>
    ${grid.failures.map(
      ({ arm, seed, error }) =>
        markup`<h3>${arm}, seed ${seed}, failed</h3>
          <pre>${error}</pre>`,
    )}`;
}

/** Mean over runs at every x that any of them has, one standard deviation to each side as band, kept inside `limits`. */
export function meanCurve(
  runs: { x: (number | null)[] | undefined; y: (number | null)[] | undefined }[],
  [low, high]: [number, number] = [-Infinity, Infinity],
): Point[] {
  const values = new Map<number, number[]>();
  for (const { x = [], y = [] } of runs) {
    x.forEach((at, i) => {
      const value = finite(y[i]);
      if (at !== null && value !== undefined) values.set(at, [...(values.get(at) ?? []), value]);
    });
  }
  return [...values]
    .sort(([a], [b]) => a - b)
    .map(([x, ys]) => {
      const y = mean(ys);
      if (ys.length < 2) return { x, y };
      const deviation = standardDeviation(ys);
      return { x, y, band: [Math.max(low, y - deviation), Math.min(high, y + deviation)] };
    });
}

function axisFormat({ unit, number }: MetricFormat): (x: number) => string {
  return (x) => number(x).replace(/\.0+$|(\.\d*?)0+$/, '$1') + unit;
}

/** Cells from column `right` on are set to the right. */
function table(caption: string, head: string[], rows: (string | number)[][], right = 1): Markup {
  const side = (column: number) => (column >= right ? 'number' : '');
  return markup`<div class="scroll">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head.map((title, i) => markup`<th scope="col" class="${side(i)}">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name, ...cells]) =>
            markup`<tr>
              <th scope="row">${name}</th>
              ${cells.map((cell, i) => markup`<td class="${side(i + 1)}">${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
