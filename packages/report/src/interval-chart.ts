import { short, styleOf } from './line-chart.js';
import { markup, type Content, type Markup } from './markup.js';
import { linearScale, type Scale } from './scale.js';

/** One mean with its interval. */
export interface IntervalRow {
  name: string;
  mean: number;
  interval?: [number, number];
  /** The values behind it, drawn small below. */
  values?: number[];
  /** Number of its color. */
  color: number;
  /** Shown under the pointer, and read out. */
  text: string;
}

export interface IntervalChart {
  title: string;
  /** Said under the title. */
  note?: string;
  rows: IntervalRow[];
  axisFormat: (x: number) => string;
  /** A dashed line down. */
  reference?: { x: number; label: string };
}

const width = 400;
const left = 118;
const right = 388;
const top = 18;
const rowHeight = 30;

/** Means as dots with their intervals as bars, a row each; nothing without rows. */
export function intervalChart({ title, note, rows, axisFormat, reference }: IntervalChart): Markup | undefined {
  if (rows.length === 0) return undefined;
  const xs = rows.flatMap(({ mean, interval = [], values = [] }) => [mean, ...interval, ...values]);
  if (reference) xs.push(reference.x);
  const x = linearScale([Math.min(...xs), Math.max(...xs)], [left, right], { tickCount: 4 });
  const bottom = top + rows.length * rowHeight;
  return markup`<figure class="chart">
    <figcaption>${title}${note && markup`<small>${note}</small>`}</figcaption>
    <svg viewBox="0 0 ${width} ${bottom + 22}" role="img" aria-label="${title}">
      <title>${title}</title>
      <desc>${rows.map(({ text }) => text).join('; ')}</desc>
      ${x.ticks.map((tick) => {
        const at = short(x(tick));
        return markup`<path class="grid" d="M${at} ${top}V${bottom}"/>
        <text class="middle" x="${at}" y="${bottom}" dy="1.3em">${axisFormat(tick)}</text>`;
      })}
      ${
        reference &&
        markup`<path class="reference" d="M${short(x(reference.x))} ${top - 4}V${bottom}"/>
        <text class="middle" x="${short(x(reference.x))}" y="${top - 7}">${reference.label}</text>`
      }
      ${rows.map((row, i) => drawRow(row, x, top + (i + 0.5) * rowHeight))}
    </svg>
  </figure>`;
}

function drawRow({ name, mean, interval, values = [], color, text }: IntervalRow, x: Scale, y: number): Content {
  return markup`<g class="${styleOf(color)}">
    <title>${text}</title>
    <text class="end" x="${left - 10}" y="${y}" dy="0.35em">${name.length > 17 ? `${name.slice(0, 16)}…` : name}</text>
    ${interval && markup`<path class="span" d="M${short(x(interval[0]))} ${y}H${short(x(interval[1]))}"/>`}
    ${values.map((value) => markup`<circle class="one" cx="${short(x(value))}" cy="${y + 9}" r="2.5"/>`)}
    <circle cx="${short(x(mean))}" cy="${y}" r="5"/>
  </g>`;
}
