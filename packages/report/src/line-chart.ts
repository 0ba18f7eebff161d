import { markup, type Content, type Markup } from './markup.js';
import { plain } from './numbers.js';
import { linearScale, logScale, type Scale } from './scale.js';

/** One value of a series. `y` is undefined where the log holds no finite number. */
export interface Point {
  x: number;
  y: number | undefined;
  /** Ends of the band that is shaded around the line. */
  band?: [number, number];
}

export interface Series {
  name: string;
  points: Point[];
  /** Number of its color; its place among the series if not given. */
  color?: number;
}

export interface LineChart {
  title: string;
  /** Said under the title. */
  note?: string;
  xLabel: string;
  series: Series[];
  format?: (y: number) => string;
  axisFormat?: (y: number) => string;
  /** Values the y axis must reach, such as 0. */
  include?: number[];
  /** Values the y axis must not pass. */
  limits?: [number, number];
  /** A dashed line across. */
  reference?: { y: number; label: string };
  /** A dashed line upwards, where something changes. */
  boundary?: { x: number; label: string };
  /** Takes the width of the page instead of one column. */
  wide?: boolean;
}

/** Most points a line has after {@link thin}. */
const mostPoints = 200;

/** Above this ratio of the largest to the smallest of positive values, the y axis is logarithmic. */
const logRatio = 100;

/** Colors of the style sheet; beyond them dashes tell lines apart. */
const colorCount = 6;

/** A figure with an inline SVG, its legend, and what the tooltip script reads; nothing when no series has a finite value. */
export function lineChart(chart: LineChart): Markup | undefined {
  const series = chart.series.map((one) => ({ ...one, points: thin(one.points) }));
  const finite = series.flatMap(({ points }) => points.filter((point) => point.y !== undefined)) as (Point & {
    y: number;
  })[];
  if (finite.length === 0) return undefined;

  const format = chart.format ?? plain;
  const axisFormat = chart.axisFormat ?? format;
  const size = chart.wide ? { width: 720, height: 300 } : { width: 400, height: 236 };
  const plot = {
    left: chart.wide ? 66 : 52,
    right: size.width - 10,
    top: 10,
    bottom: size.height - (chart.wide ? 48 : 36),
  };

  const ys = [...finite.flatMap((point) => [point.y, ...(point.band ?? [])]), ...(chart.include ?? [])];
  if (chart.reference) ys.push(chart.reference.y);
  const [lowest, highest] = [Math.min(...ys), Math.max(...ys)];
  const logarithmic = !chart.include && !chart.limits && lowest > 0 && highest / lowest > logRatio;
  const y = logarithmic
    ? logScale([lowest, highest], [plot.bottom, plot.top])
    : linearScale([lowest, highest], [plot.bottom, plot.top], { tickCount: 4, limits: chart.limits });
  const xs = series.flatMap(({ points }) => points.map((point) => point.x));
  const x = linearScale([Math.min(0, ...xs), Math.max(...xs)], [plot.left, plot.right], {
    tickCount: chart.wide ? 10 : 5,
    round: false,
  });

  const title = chart.title + (logarithmic ? ' (log scale)' : '');
  return markup`<figure class="${chart.wide ? 'chart wide' : 'chart'}">
    <figcaption>${title}${chart.note && markup`<small>${chart.note}</small>`}</figcaption>
    <svg
      viewBox="0 0 ${size.width} ${size.height}"
      role="img"
      aria-label="${title}"
      data-tip="${tipData(series, x, format, chart.xLabel)}"
    >
      <title>${title}</title>
      <desc>${series.map((one) => describe(one, format)).join('; ')}</desc>
      ${axes(x, y, plot, chart.xLabel, axisFormat)} ${chart.reference && referenceLine(chart.reference, y, plot)}
      ${series.map((one, i) => line(one, x, y, plot.bottom, one.color ?? i))}
      ${chart.boundary && boundaryLine(chart.boundary, x, plot)}
      <line class="cursor" y1="${plot.top}" y2="${plot.bottom}"/>
      <rect class="hit" x="${plot.left}" y="${plot.top}" width="${plot.right - plot.left}" height="${plot.bottom - plot.top}"><title></title></rect>
    </svg>
    ${legend(series, format)}
  </figure>`;
}

/** Means of equal runs of points, so that no line has more than {@link mostPoints}. Runs without a finite value stay gaps. */
export function thin(points: Point[], most = mostPoints): Point[] {
  if (points.length <= most) return points;
  const size = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const run = points.slice(i * size, (i + 1) * size);
    const values = run.map((point) => point.y).filter((value) => value !== undefined);
    const bands = run.map((point) => point.band).filter((band) => band !== undefined);
    return {
      x: mean(run.map((point) => point.x)),
      y: values.length > 0 ? mean(values) : undefined,
      ...(bands.length > 0 && { band: [mean(bands.map(([low]) => low)), mean(bands.map(([, high]) => high))] }),
    };
  });
}

/** SVG path data through the points, broken where a value is missing. */
export function linePath(points: Point[], x: (value: number) => number, y: (value: number) => number): string {
  let pen = 'M';
  let path = '';
  for (const point of points) {
    if (point.y === undefined) {
      pen = 'M';
    } else {
      path += `${pen}${short(x(point.x))} ${short(y(point.y))}`;
      pen = 'L';
    }
  }
  return path;
}

/** The outline of the bands of neighboring points: out along the upper ends, back along the lower ones. */
export function bandPath(points: Point[], x: (value: number) => number, y: (value: number) => number): string {
  const banded = points.flatMap(({ x: at, band }) => (band ? [{ at, band }] : []));
  if (banded.length < 2) return '';
  const corners = (which: 0 | 1) => banded.map(({ at, band }) => `${short(x(at))} ${short(y(band[which]))}`);
  return `M${[...corners(1), ...corners(0).reverse()].join('L')}Z`;
}

function line({ points }: Series, x: Scale, y: Scale, bottom: number, index: number): Content {
  const few = points.length <= 30;
  const dots = points.filter(
    (point, i) => point.y !== undefined && (few || (points[i - 1]?.y === undefined && points[i + 1]?.y === undefined)),
  );
  const gaps = points.filter((point) => point.y === undefined);
  const outline = bandPath(points, x, y);
  return markup`<g class="${styleOf(index)}">
    ${outline && markup`<path class="band" d="${outline}"/>`}<path class="line" d="${linePath(points, x, y)}"/>
    ${dots.map((point) => markup`<circle cx="${short(x(point.x))}" cy="${short(y(point.y!))}" r="${points.length === 1 ? 4 : 2.2}"/>`)}
    ${gaps.map((point) => markup`<text class="gap" x="${short(x(point.x))}" y="${bottom - 3}">×</text>`)}
  </g>`;
}

function axes(
  x: Scale,
  y: Scale,
  plot: { left: number; right: number; top: number; bottom: number },
  xLabel: string,
  format: (y: number) => string,
): Content {
  return [
    y.ticks.map((tick) => {
      const at = short(y(tick));
      return markup`<path class="grid" d="M${plot.left} ${at}H${plot.right}"/>
        <text class="end" x="${plot.left - 6}" y="${at}" dy="0.35em">${format(tick)}</text>`;
    }),
    markup`<path class="axis" d="M${plot.left} ${plot.bottom}H${plot.right}" />`,
    x.ticks.map(
      (tick) => markup`<text class="middle" x="${short(x(tick))}" y="${plot.bottom}" dy="1.3em">${plain(tick)}</text>`,
    ),
    markup`<text class="middle label" x="${(plot.left + plot.right) / 2}" y="${plot.bottom}" dy="2.5em">${xLabel}</text>`,
  ];
}

function referenceLine(
  reference: { y: number; label: string },
  y: Scale,
  plot: { left: number; right: number },
): Content {
  const at = short(y(reference.y));
  return markup`<path class="reference" d="M${plot.left} ${at}H${plot.right}"/>
    <text class="end" x="${plot.right}" y="${Number(at) - 4}">${reference.label}</text>`;
}

/** Its label stands above the plot, clear of the lines, on the side with more room. */
function boundaryLine(
  { x: value, label }: { x: number; label: string },
  x: Scale,
  plot: { left: number; right: number; top: number; bottom: number },
): Content {
  if (value < x.domain[0] || value > x.domain[1]) return undefined;
  const at = x(value);
  const before = at > (plot.left + plot.right) / 2;
  return markup`<path class="reference" d="M${short(at)} ${plot.top}V${plot.bottom}"/>
    <text${before && markup` class="end"`} x="${short(at)}" y="${plot.top - 3}">${label}</text>`;
}

function legend(series: Series[], format: (y: number) => string): Content {
  return markup`<ul class="legend">
    ${series.map((one, i) => {
      const last = one.points.findLast((point) => point.y !== undefined)?.y;
      return markup`<li>
        <svg class="${styleOf(one.color ?? i)}" viewBox="0 0 22 8" aria-hidden="true"><path class="line" d="M1 4H21"/></svg>${one.name} <b>${last === undefined ? 'not finite' : format(last)}</b>
      </li>`;
    })}
  </ul>`;
}

/** What the script shows at each x: `{ names, styles, rows: [[x in the drawing, label, text per series]] }`. */
function tipData(series: Series[], x: Scale, format: (y: number) => string, xLabel: string): string {
  const rows = new Map<number, (string | 0)[]>();
  series.forEach(({ points }, i) => {
    for (const point of points) {
      if (!rows.has(point.x)) rows.set(point.x, new Array(series.length).fill(0));
      rows.get(point.x)![i] = point.y === undefined ? 'not finite' : format(point.y);
    }
  });
  return JSON.stringify({
    names: series.map(({ name }) => name),
    styles: series.map(({ color }, i) => styleOf(color ?? i)),
    rows: [...rows]
      .sort(([a], [b]) => a - b)
      .map(([value, texts]) => [Number(short(x(value))), `${xLabel} ${plain(Number(value.toFixed(2)))}`, texts]),
  });
}

function describe({ name, points }: Series, format: (y: number) => string): string {
  const values = points.map((point) => point.y).filter((value) => value !== undefined);
  if (values.length === 0) return `${name}: no finite value`;
  return `${name}: from ${format(values[0])} to ${format(values[values.length - 1])}`;
}

/** The class of the style sheet for the color of a number. */
export function styleOf(index: number): string {
  const dashes = Math.floor(index / colorCount) % 3;
  return `s${index % colorCount}${dashes ? ` dash${dashes}` : ''}`;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A coordinate to a tenth, without trailing zeros. */
export function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}
