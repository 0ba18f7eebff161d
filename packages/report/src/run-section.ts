import { bars, classAccuracy, worstConfusions } from './class-accuracy.js';
import { classWeights, confusionMatrix } from './heat-map.js';
import { markup, type Content, type Markup } from './markup.js';
import { lineChart, type LineChart, type Series } from './line-chart.js';
import { count, duration, finite, moment, plain } from './numbers.js';
import {
  bestValidation,
  formatMetric,
  metricFormat,
  metricSeries,
  placeOf,
  placeUnit,
  sentence,
} from './run-metrics.js';
import { mainMetric, type Evaluation, type RunSummary } from './run-summary.js';
import { scatterPlot } from './scatter-plot.js';
import { isOfSecondStage, secondStage, stageBoundary } from './second-stage.js';

const generatorPrefix = 'generator-';
const weightsPrefix = 'weights/';
const isWeights = (name: string) => name.startsWith(weightsPrefix);

/** Everything about one run, below its title. */
export function runSection(run: RunSummary): Markup {
  const charts = trainingCharts(run);
  const weights = teacherWeights(run);
  const evaluation = finalEvaluation(run);
  const clusters = run.clusters && scatterPlot(run.clusters);
  return markup`${facts(run)}${warnings(run)}${tiles(run)}
  ${
    charts.length > 0 &&
    markup`<h2>Training</h2>
      <div class="charts">${charts}</div>`
  }
  ${playedEpisodes(run)}${secondStage(run)}${
    clusters &&
    markup`<h2>Clusters</h2>
      ${clusters}`
  }${weights}${evaluation}
  ${
    run.manifest !== undefined &&
    markup`<h2>Manifest</h2>
      <details>
        <summary>Resolved manifest</summary>
        <pre>${run.manifest}</pre>
      </details>`
  }`;
}

/** The student beside its teachers, as they play. */
function playedEpisodes({ played }: RunSummary): Content {
  if (!played) return undefined;
  const { episodes, every, picture } = played;
  const text = episodes.map(
    ({ name, return: earned, length }) => `${name}: return ${plain(earned)} in ${count(length)} steps`,
  );
  const names = episodes.map(({ name }) => name).join(' and ');
  return markup`<h2>At play</h2>
    <figure class="played">
      <figcaption>
        ${names}<small>One episode each, from the same start, in this order: ${text.join('; ')}.${
          every > 1 && ` One frame in ${every} steps.`
        }</small>
      </figcaption>
      <img alt="${text.join('; ')}" src="data:image/gif;base64,${picture}" />
    </figure>`;
}

/** `Finished`, `Interrupted` … as a badge. */
export function statusBadge(run: RunSummary): Markup {
  const words = { finished: 'finished', interrupted: 'interrupted', 'no end': 'not finished', empty: 'nothing logged' };
  return markup`<span class="status ${run.status === 'finished' && 'finished'}">${words[run.status]}</span>`;
}

function facts(run: RunSummary): Content {
  const progress =
    run.epochs === undefined ? undefined : `${run.status === 'finished' ? '' : `${run.epochsDone} of `}${run.epochs}`;
  const list: [string, Content][] = [
    ['Started', run.started && moment(run.started)],
    ['Epochs', progress],
    ['Batch', run.batchSize && run.unit !== undefined ? `${count(run.batchSize)} ${run.unit}` : run.batchSize],
    ['Seed', run.seed],
    [
      'Backend',
      run.backend && markup`${run.backend}${run.backendReason && markup` <small>(${run.backendReason})</small>`}`,
    ],
    ...run.parts,
    ['Student size', run.unit !== undefined && run.parameters !== undefined && `${count(run.parameters)} parameters`],
    ['Folder', markup`<code>${run.folder}</code>`],
    ['Resumed', run.resumedAt.map(({ epoch, step }) => `in epoch ${epoch + 1}, step ${step}`).join('; ')],
  ];
  const notes = {
    finished: undefined,
    interrupted: markup`<p>This run was interrupted; <code>retort resume ${run.folder}</code> goes on with it.</p>`,
    'no end': markup`<p>The log has no end: the run is still going, or was stopped without notice.</p>`,
    empty: markup`<p>Nothing was logged yet.</p>`,
  };
  return markup`<dl class="facts">
      ${list.map(
        ([name, value]) =>
          value !== undefined &&
          value !== false &&
          value !== '' &&
          markup`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    ${notes[run.status]}`;
}

function warnings({ warnings: list }: RunSummary): Content {
  return (
    list.length > 0 &&
    markup`<ul class="warnings" aria-label="Warnings">
      ${list.map(
        ({ message, time, count: times }) =>
          markup`<li>${message} <small>${time && moment(time)}${times > 1 && `, ${times} times`}</small></li>`,
      )}
    </ul>`
  );
}

function tiles(run: RunSummary): Content {
  const metric = mainMetric(run.finals);
  const list: [string, string][] = [];
  if (metric !== undefined) {
    for (const { split, student, values } of run.finals) {
      if (split === 'train') continue;
      list.push([
        `${split} ${metric}, ${student} student${student === 'best' && run.bestEpoch !== undefined ? ` (epoch ${run.bestEpoch})` : ''}`,
        formatMetric(metric, values[metric]),
      ]);
    }
    const best = bestValidation(run, metric);
    if (best) list.push([`best validation ${metric}, epoch ${best.epoch}`, formatMetric(metric, best.value)]);
    const judged = run.finals.find(({ values }) => finite(values['calibration-error']) !== undefined);
    if (judged)
      list.push([
        `${judged.split} calibration error, ${judged.student}`,
        formatMetric('calibration-error', judged.values['calibration-error']),
      ]);
  }
  if (run.seconds !== undefined) list.push(['training time', duration(run.seconds)]);
  const speeds = run.epochLog.map((epoch) => finite(epoch.imagesPerSecond)).filter((speed) => speed !== undefined);
  if (speeds.length > 0)
    list.push([`${run.unit ?? 'images'} per second, mean`, count(speeds.reduce((a, b) => a + b) / speeds.length)]);
  if (run.parameters !== undefined) list.push(['student parameters', count(run.parameters)]);
  return (
    list.length > 0 &&
    markup`<dl class="tiles">
      ${list.map(
        ([name, value]) =>
          markup`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>`
  );
}

function trainingCharts(run: RunSummary): Markup[] {
  const metric = mainMetric(run.finals);
  const { losses, groups } = loggedValues(run);
  const counted = run.unit ?? 'images';
  const charts: (Omit<LineChart, 'xLabel'> | undefined)[] = [
    metric === undefined
      ? undefined
      : { title: sentence(metric), series: measuredSeries(run, metric), ...metricFormat(metric) },
    { title: 'Loss terms', series: losses },
    {
      title: 'Learning rate',
      series: [
        { name: 'learning rate', points: run.steps.map((e) => ({ x: placeOf(run, e), y: finite(e.learningRate) })) },
      ],
      include: [0],
    },
    {
      title: sentence(`${counted} per second`),
      series: [
        {
          name: `${counted}/s`,
          points: run.epochLog.map((e) => ({ x: placeOf(run, e), y: finite(e.imagesPerSecond) })),
        },
      ],
      format: count,
      include: [0],
    },
    ...['calibration-error', ...otherMetrics(run, metric)].map((name) => {
      if (isOfSecondStage(run, name)) return undefined;
      const series = measuredSeries(run, name);
      // One point is in the table already.
      return series.some(({ points }) => points.length > 1)
        ? { title: sentence(name), series, ...metricFormat(name) }
        : undefined;
    }),
    ...groups.map(([title, series]) => ({ title: sentence(title), series, ...metricFormat(title) })),
  ];
  const boundary = stageBoundary(run);
  return charts.flatMap((chart) => (chart && lineChart({ ...chart, xLabel: placeUnit(run), boundary })) ?? []);
}

/** A metric over time, beside it what the log has of the same name: the episodes that training itself plays. */
function measuredSeries(run: RunSummary, metric: string): Series[] {
  const series = metricSeries(run, metric);
  if (run.unit === undefined) return series;
  const points = run.steps
    .filter(({ values }) => metric in values)
    .map((event) => ({ x: placeOf(run, event), y: finite(event.values[metric]) }));
  return points.length > 0 ? [...series, { name: 'training', points }] : series;
}

function otherMetrics(run: RunSummary, metric: string | undefined): string[] {
  const names = new Set(run.evaluations.flatMap(({ values }) => Object.keys(values)));
  return [...names].filter((name) => name !== metric && name !== 'calibration-error' && !name.startsWith('agreement/'));
}

/** What the steps and epochs logged: the loss terms together, `group/name` by group, anything else by itself. */
function loggedValues(run: RunSummary): { losses: Series[]; groups: [string, Series[]][] } {
  const losses: Series[] = [];
  const groups = new Map<string, Series[]>();
  const evaluated = new Set(run.unit === undefined ? [] : run.evaluations.flatMap(({ values }) => Object.keys(values)));
  for (const name of new Set(run.steps.flatMap(({ values }) => Object.keys(values)))) {
    // Drawn beside what was evaluated.
    if (evaluated.has(name)) continue;
    const points = run.steps
      .filter(({ values }) => name in values)
      .map((event) => ({ x: placeOf(run, event), y: finite(event.values[name]) }));
    const [group, ...rest] = name.split('/');
    if (isOfSecondStage(run, group)) continue;
    if (['loss', 'losses', 'total', ...run.lossIds].includes(group)) {
      losses.push({ name: ['loss', 'losses'].includes(group) && rest.length > 0 ? rest.join('/') : name, points });
    } else {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group)!.push({ name: rest.join('/') || name, points });
    }
  }
  return { losses, groups: [...groups] };
}

function teacherWeights(run: RunSummary): Content {
  const logged = [...new Set(run.epochLog.flatMap(({ weights }) => Object.keys(weights ?? {})))];
  // What was used beside what was proposed.
  const heads = [...new Set(logged.map(baseHead))].flatMap((base) =>
    [base, generatorPrefix + base].filter((head) => logged.includes(head)),
  );
  const charts = heads.map((head) => {
    const logged = new Set(run.epochLog.flatMap(({ weights }) => Object.keys(weights?.[head] ?? {})));
    // In the order of the manifest, so that a teacher has one color throughout.
    const teachers = [
      ...run.teachers.filter((id) => logged.has(id)),
      ...[...logged].filter((id) => !run.teachers.includes(id)),
    ];
    return lineChart({
      title: headTitle(head, heads),
      xLabel: placeUnit(run),
      series: teachers.map((id) => ({
        name: id,
        points: run.epochLog
          .filter(({ weights }) => weights?.[head] && id in weights[head])
          .map((event) => ({ x: placeOf(run, event), y: finite(event.weights![head][id]) })),
      })),
      format: (y) => y.toFixed(3),
      axisFormat: plain,
      include: [0],
      reference: teachers.length > 1 ? { y: 1 / teachers.length, label: 'equal' } : undefined,
    });
  });
  const byClass = run.epochLog.findLast(
    ({ weightsByClass }) => weightsByClass && Object.keys(weightsByClass).length > 0,
  );
  const table = ([head, values]: [string, number[][]]) =>
    classWeights(
      values,
      run.teachers.length > 0 ? run.teachers : (values[0] ?? []).map((_, i) => `teacher ${i + 1}`),
      classNamer(run),
      headTitle(head, heads),
    );
  const tables = Object.entries(byClass?.weightsByClass ?? {}).map(table);
  // Whole heads, [class][teacher], of the student that is kept.
  const evaluated = shownEvaluation(run.finals, ({ values }) => Object.keys(values).some(isWeights));
  const evaluatedTables = Object.entries(evaluated?.values ?? {})
    .filter(([name, value]) => isWeights(name) && isArrayOf(value, 2))
    .map(([name, value]) => table([name.slice(weightsPrefix.length), value as number[][]]));
  const note = heads.some((head) => head.startsWith(generatorPrefix))
    ? 'Means over the samples of an epoch. Fused: what multiplied the losses. Generator: what the weight generator proposed.'
    : 'Means over the samples of an epoch.';
  return (
    (charts.some(Boolean) || tables.length > 0) &&
    markup`<h2>Teacher weights</h2>
      <p><small>${note}</small></p>
      <div class="charts">${charts}</div>
      ${
        tables.length > 0 &&
        markup`<h3>By class, epoch ${byClass!.epoch + 1}</h3>
          <div class="pair">${tables}</div>`
      }
      ${
        evaluatedTables.length > 0 &&
        markup`<h3>By class, ${nameOf(evaluated!)}, without exploring</h3>
          <div class="pair">${evaluatedTables}</div>`
      }`
  );
}

/** `generator-logit` is what the weight generator proposed, `logit` what the losses were multiplied by. */
function headTitle(head: string, heads: string[]): string {
  if (head.startsWith(generatorPrefix)) return `${sentence(baseHead(head))} weights, generator`;
  return `${sentence(head)} weights${heads.includes(generatorPrefix + head) ? ', fused' : ''}`;
}

function baseHead(head: string): string {
  return head.startsWith(generatorPrefix) ? head.slice(generatorPrefix.length) : head;
}

function finalEvaluation(run: RunSummary): Content {
  const scalars = [...new Set(run.finals.flatMap(({ values }) => Object.keys(values)))].filter((name) =>
    run.finals.some(({ values }) => values[name] !== undefined && !Array.isArray(values[name])),
  );
  if (run.finals.length === 0) return undefined;
  const className = classNamer(run);
  const withArray = (name: string, depth: 1 | 2) =>
    shownEvaluation(run.finals, ({ values }) => isArrayOf(values[name], depth));
  const perClass = withArray('per-class-accuracy', 1);
  const confusion = withArray('confusion', 2);
  return markup`<h2>Evaluation</h2>
    <div class="pair">${metricTable(run.finals, scalars)}${agreementBars(run.finals)}</div>
    ${
      perClass &&
      markup`<h3>Classes <small>${nameOf(perClass)}</small></h3>
        ${classAccuracy(seenAccuracy(perClass.values), className)}`
    }
    ${
      confusion &&
      markup`<h3>Confusion <small>${nameOf(confusion)}</small></h3>
        <div class="pair">
          ${confusionMatrix(confusion.values.confusion as number[][], className)}
          ${worstConfusions(confusion.values.confusion as number[][], className)}
        </div>`
    }`;
}

/** Of the evaluations that qualify, the one to show: test before the others, and there the best student, which is the one kept. */
function shownEvaluation(finals: Evaluation[], qualifies: (one: Evaluation) => boolean): Evaluation | undefined {
  const able = finals.filter(qualifies);
  return able.findLast(({ split }) => split === able[0].split);
}

function agreementBars(finals: Evaluation[]): Content {
  const prefix = 'agreement/';
  const agreements = ({ values }: Evaluation) => Object.entries(values).filter(([name]) => name.startsWith(prefix));
  const shown = shownEvaluation(finals, (one) => agreements(one).length > 0);
  return (
    shown &&
    bars(
      `Agreement with each teacher: same top-1 class (${nameOf(shown)})`,
      agreements(shown).map(([name, value]) => ({ name: name.slice(prefix.length), value: finite(value) })),
    )
  );
}

function metricTable(finals: Evaluation[], names: string[]): Content {
  return (
    names.length > 0 &&
    markup`<div class="scroll">
      <table>
        <caption>
          As last measured
        </caption>
        <thead>
          <tr>
            <th scope="col">metric</th>
            ${finals.map((one) => markup`<th scope="col" class="number">${nameOf(one)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${names.map(
            (name) =>
              markup`<tr>
                <th scope="row">${name}</th>
                ${finals.map(({ values }) => markup`<td class="number">${formatMetric(name, values[name])}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`
  );
}

/** Accuracy per class, missing where the split has no sample of the class. */
function seenAccuracy(values: Evaluation['values']): (number | null)[] {
  const accuracy = values['per-class-accuracy'] as number[];
  if (!isArrayOf(values.confusion, 2)) return accuracy;
  const rows = values.confusion as number[][];
  return accuracy.map((value, i) => (rows[i]?.every((samples) => samples === 0) ? null : value));
}

function nameOf({ split, student }: Evaluation): string {
  return `${split}, ${student}`;
}

function isArrayOf(value: unknown, depth: 1 | 2): boolean {
  return (
    Array.isArray(value) && value.length > 0 && (depth === 1 ? !Array.isArray(value[0]) : value.every(Array.isArray))
  );
}

function classNamer({ classes }: RunSummary): (index: number) => string {
  return (index) => classes?.[index] ?? String(index);
}
