import { lineChart, type LineChart, type Series } from './line-chart.js';
import { markup, type Content } from './markup.js';
import { finite } from './numbers.js';
import { placeOf, placeUnit, metricFormat, metricSeries } from './run-metrics.js';
import type { RunSummary } from './run-summary.js';

/** Logged values and metrics that are told in the section about the second stage. */
const ofSecondStage = ['stage', 'reward', 'lambda', 'entropy', 'calibration-error'];

/** Whether a run is one of two stages, distillation and then reinforcement learning. */
function hasStages(run: RunSummary): boolean {
  return run.secondStage !== undefined || run.steps.some(({ values }) => 'stage' in values);
}

/** Whether a metric, or a group of logged values, is drawn by {@link secondStage}. */
export function isOfSecondStage(run: RunSummary, name: string): boolean {
  return hasStages(run) && ofSecondStage.includes(name);
}

/** Where on the x axis the second stage begins; undefined where the log knows no first one, or not yet a second. */
export function stageBoundary(run: RunSummary): { x: number; label: string } | undefined {
  const staged = run.steps.filter(({ values }) => finite(values.stage) !== undefined);
  // Logged values are means since the last ones.
  const first = staged.findIndex(({ values }) => values.stage > 1.5);
  if (first <= 0) return undefined;
  // A stage begins with an epoch, which is a little before its first values are logged.
  return { x: Math.max(placeOf(run, staged[first - 1]), staged[first].epoch), label: 'stage 2' };
}

/** How the second stage went: what it was told to do, rewards, λ, and whether the student talks itself into something. */
export function secondStage(run: RunSummary): Content {
  if (!hasStages(run)) return undefined;
  const boundary = stageBoundary(run);
  const charts: Omit<LineChart, 'xLabel'>[] = [
    { title: 'Rewards', note: 'As they were given, before they are standardized.', series: logged(run, 'reward') },
    {
      title: 'λ',
      note: 'Weight of the supervised losses.',
      series: logged(run, 'lambda'),
      include: [0, 1],
    },
    {
      title: 'Entropy of the predictions',
      note: 'In nats. Towards 0 the student is sure of everything.',
      series: [...logged(run, 'entropy'), ...metricSeries(run, 'entropy')],
      include: [0],
    },
    {
      title: 'Calibration error',
      note: 'How far confidence and accuracy lie apart.',
      // One point is in the table already.
      series: metricSeries(run, 'calibration-error').filter(({ points }) => points.length > 1),
      ...metricFormat('calibration-error'),
      include: [0],
    },
  ];
  const drawn = charts.flatMap((chart) => lineChart({ ...chart, xLabel: placeUnit(run), boundary }) ?? []);
  const facts = run.secondStage ?? [];
  return (
    (drawn.length > 0 || facts.length > 0) &&
    markup`<h2>Stage 2: reinforcement learning</h2>
      ${
        facts.length > 0 &&
        markup`<dl class="facts">
          ${facts.map(
            ([name, value]) =>
              markup`<div>
                <dt>${name}</dt>
                <dd>${value}</dd>
              </div>`,
          )}
        </dl>`
      }
      ${drawn.length > 0 && markup`<div class="charts">${drawn}</div>`}`
  );
}

/** `group/name` by name, or `group` alone. */
function logged(run: RunSummary, group: string): Series[] {
  const names = [...new Set(run.steps.flatMap(({ values }) => Object.keys(values)))];
  return names
    .filter((name) => name.split('/')[0] === group)
    .map((name) => ({
      name: name === group ? (group === 'lambda' ? 'λ' : 'train') : name.slice(group.length + 1),
      points: run.steps
        .filter(({ values }) => name in values)
        .map((event) => ({ x: placeOf(run, event), y: finite(event.values[name]) })),
    }));
}
