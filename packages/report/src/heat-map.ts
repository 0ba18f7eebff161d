import { html, type Content, type Markup } from './html.js';
import { count } from './numbers.js';

/** Shades a cell can have; each is one class of the style sheet, so that light and dark schemes need no second drawing. */
const shades = 12;

/** Most rows or columns drawn; beyond, blocks of classes are added up. */
const mostCells = 100;

/** Up to this many classes, cells carry their number and rows their name. */
export const fewClasses = 20;

/** Shade 0 (nothing) to 12 of a share in [0, 1]. Square root, so that rare confusions are seen beside the diagonal. */
export function shadeOf(share: number): number {
  if (!(share > 0)) return 0;
  return Math.max(1, Math.round(Math.sqrt(Math.min(share, 1)) * shades));
}

/** Adds up square blocks until the matrix has at most `most` rows. */
export function poolMatrix(matrix: number[][], most = mostCells): { matrix: number[][]; block: number } {
  const block = Math.ceil(matrix.length / most);
  if (block === 1) return { matrix, block };
  const size = Math.ceil(matrix.length / block);
  const pooled = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  matrix.forEach((row, i) => {
    row.forEach((value, j) => (pooled[Math.floor(i / block)][Math.floor(j / block)] += value || 0));
  });
  return { matrix: pooled, block };
}

/** Every row divided by its sum: the share of a true class that was taken for each class. */
export function rowShares(matrix: number[][]): number[][] {
  return matrix.map((row) => {
    const sum = row.reduce((total, value) => total + (value || 0), 0);
    return row.map((value) => (sum > 0 ? (value || 0) / sum : 0));
  });
}

/** [true class][predicted class] counts: a table up to 20 classes, a drawing beyond. */
export function confusionMatrix(matrix: number[][], className: (index: number) => string): Markup {
  return matrix.length <= fewClasses ? confusionTable(matrix, className) : confusionDrawing(matrix, className);
}

function confusionTable(matrix: number[][], className: (index: number) => string): Markup {
  const shares = rowShares(matrix);
  return html`<div class="scroll">
    <table class="heat">
      <caption>
        Rows: true class. Columns: predicted class. Cells: samples; shade: share of the row.
      </caption>
      <thead>
        <tr>
          <td></td>
          ${matrix.map((_, j) => html`<th scope="col"><span>${className(j)}</span></th>`)}
        </tr>
      </thead>
      <tbody>
        ${matrix.map(
          (row, i) =>
            html`<tr>
              <th scope="row">${className(i)}</th>
              ${row.map((value, j) => html`<td class="h${shadeOf(shares[i][j])}">${value ? count(value) : ''}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function confusionDrawing(matrix: number[][], className: (index: number) => string): Markup {
  const { matrix: pooled, block } = poolMatrix(matrix);
  const size = 460 / pooled.length;
  const note = block > 1 ? ` Each cell adds up ${block} × ${block} classes.` : '';
  const every = Math.ceil(pooled.length / 10);
  const ticks = pooled.map((_, i) => i).filter((i) => i % every === 0);
  return html`<figure class="matrix">
    <figcaption><small>Down: true class. Across: predicted class. Shade: share of the row.${note}</small></figcaption>
    <svg viewBox="0 0 520 520" role="img" aria-label="Confusion matrix of ${matrix.length} classes">
      <title>Confusion matrix of ${matrix.length} classes</title>
      <g transform="translate(50 50)">
        <path class="frame" d="M0 0H460V460H0Z" />
        ${cellPaths(rowShares(pooled), size, size)}
        ${ticks.map((i) => [
          html`<text class="end" x="-6" y="${(i + 0.5) * size}" dy="0.35em">${clip(className(i * block))}</text>`,
          html`<text x="0" y="0" transform="translate(${(i + 0.5) * size + 4} -6) rotate(-45)"
            >${clip(className(i * block))}</text
          >`,
        ])}
      </g>
    </svg>
  </figure>`;
}

/** [class][column] values in [0, 1]: a table with classes down up to 20, a strip with classes across beyond. */
export function classTable(
  values: number[][],
  columns: string[],
  className: (index: number) => string,
  title: string,
  format: (value: number) => string,
): Markup {
  const cell = (value: number | null | undefined) => (typeof value === 'number' ? value : undefined);
  if (values.length <= fewClasses) {
    return html`<div class="scroll">
      <table class="heat values">
        <caption>
          ${title}
        </caption>
        <thead>
          <tr>
            <th scope="col">class</th>
            ${columns.map((name) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${values.map(
            (row, i) =>
              html`<tr>
                <th scope="row">${className(i)}</th>
                ${columns.map((_, j) => {
                  const value = cell(row?.[j]);
                  return html`<td class="h${linearShade(value)}">${value === undefined ? '–' : format(value)}</td>`;
                })}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }
  const width = 700 / values.length;
  const height = 22;
  const every = Math.ceil(values.length / 12);
  const across = columns.map((_, j) => values.map((row) => cell(row?.[j]) ?? 0));
  return html`<figure class="strip wide">
    <figcaption>${title}<small>Across: classes. Shade: weight, darkest at 1.</small></figcaption>
    <ul class="rows">
      ${columns.map((name, j) => html`<li>${name} <b>${range(across[j], format)}</b></li>`)}
    </ul>
    <svg viewBox="0 0 720 ${columns.length * height + 24}" role="img" aria-label="${title}">
      <title>${title}</title>
      <g transform="translate(10 0)">
        ${cellPaths(across, width, height, linearShade)}${columns.map((_, j) => html`<path class="frame" d="M0 ${j * height}H700V${(j + 1) * height}H0Z" />`)}
        ${values.map((_, i) => i % every === 0 && html`<text class="middle" x="${((i + 0.5) * width).toFixed(1)}" y="${columns.length * height + 16}">${clip(className(i))}</text>`)}
      </g>
    </svg>
  </figure>`;
}

/** One path per shade, of as many rectangles as have it: a hundred classes squared stay a small file. */
function cellPaths(rows: number[][], width: number, height: number, shade = shadeOf): Content {
  const paths = new Array<string>(shades + 1).fill('');
  const at = (value: number) => Number(value.toFixed(2));
  rows.forEach((row, i) =>
    row.forEach((value, j) => {
      const k = shade(value);
      if (k > 0) paths[k] += `M${at(j * width)} ${at(i * height)}h${at(width)}v${at(height)}h${at(-width)}z`;
    }),
  );
  return paths.map((path, k) => path && html`<path class="h${k}" d="${path}" />`);
}

function linearShade(value: number | undefined): number {
  return value === undefined ? 0 : Math.round(Math.min(Math.max(value, 0), 1) * shades);
}

function range(values: number[], format: (value: number) => string): string {
  return `${format(Math.min(...values))} to ${format(Math.max(...values))}`;
}

/** A name that fits beside a drawing. */
function clip(name: string): string {
  return name.length > 9 ? `${name.slice(0, 8)}…` : name;
}
