import { markup, type Markup } from './markup.js';
import { lineChart } from './line-chart.js';
import { duration, isFraction, plain, points } from './numbers.js';
import { metricSeries, bestValidation, formatMetric, metricFormat, placeUnit } from './run-metrics.js';
import { statusBadge } from './run-section.js';
import { finalValue, mainMetric, type RunSummary } from './run-summary.js';

/** Several runs side by side: a table with differences to the first, and their accuracy in one chart. */
export function comparison(runs: RunSummary[], names: string[]): Markup {
  const all = runs.flatMap(({ finals }) => finals);
  // Runs that count different things have only their epochs in common.
  const placed = new Set(runs.map(placeUnit)).size > 1 ? runs.map((run) => ({ ...run, unit: undefined })) : runs;
  const metric = mainMetric(all) ?? 'top-1';
  const split = all.some((one) => one.split === 'test') ? 'test' : (all[0]?.split ?? 'test');
  const value = (run: RunSummary, student: string) =>
    finalValue(run.finals, split, student, metric) ??
    (student === 'last' ? finalValue(run.finals, split, 'current', metric) : undefined) ??
    (split === 'validation' && student === 'best' ? bestValidation(run, metric)?.value : undefined);
  const difference = (run: RunSummary, student: string) => {
    const [mine, first] = [value(run, student), value(runs[0], student)];
    if (run === runs[0] || mine === undefined || first === undefined) return '';
    return isFraction(metric) ? points(mine - first) : plain(mine - first);
  };
  return markup`<h2>Comparison</h2>
    <div class="scroll">
      <table>
        <caption>
          ${split} ${metric}; differences to the first run${isFraction(metric) && ' in percentage points'}
        </caption>
        <thead>
          <tr>
            <th scope="col">run</th>
            ${['last', 'Δ', 'best', 'Δ', 'epochs', 'time', 'seed'].map((title) => markup`<th scope="col" class="number">${title}</th>`)}
            <th scope="col">status</th>
          </tr>
        </thead>
        <tbody>
          ${runs.map(
            (run, i) =>
              markup`<tr>
                <th scope="row">${names[i]}</th>
                ${[
                  formatMetric(metric, value(run, 'last')),
                  difference(run, 'last'),
                  formatMetric(metric, value(run, 'best')),
                  difference(run, 'best'),
                  run.epochsDone,
                  duration(run.seconds),
                  run.seed ?? '–',
                ].map((cell) => markup`<td class="number">${cell}</td>`)}
                <td>${statusBadge(run)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <div class="charts">
      ${lineChart({
        title: `Validation ${metric}${/^top-/.test(metric) ? ' accuracy' : ''}`,
        xLabel: placeUnit(placed[0]),
        wide: true,
        series: placed.map((run, i) => ({
          name: names[i],
          points: metricSeries(run, metric).find(({ name }) => name === 'validation')?.points ?? [],
        })),
        ...metricFormat(metric),
      })}
    </div>`;
}

/** Names that tell the runs apart: where two are the same, the folder says which. */
export function distinctNames(runs: RunSummary[]): string[] {
  return runs.map((run) =>
    runs.filter(({ name }) => name === run.name).length > 1 ? `${run.name} (${run.folder})` : run.name,
  );
}
