import { markup, type Content, type Markup } from './markup.js';
import { count, finite, missing } from './numbers.js';

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
  return markup`<div class="scroll">
    <table class="heat">
      <caption>
        Rows: true class. Columns: predicted class. Cells: samples; shade: share of the row.
      </caption>
      <thead>
        <tr>
          <td></td>
          ${matrix.map((_, j) => markup`<th scope="col">${className(j)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${matrix.map(
          (row, i) =>
            markup`<tr>
              <th scope="row">${className(i)}</th>
              ${row.map((value, j) => markup`<td class="h${shadeOf(shares[i][j])}">${value ? count(value) : ''}</td>`)}
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
  return markup`<figure class="matrix">
    <figcaption><small>Down: true class. Across: predicted class. Shade: share of the row.${note}</small></figcaption>
    <svg viewBox="0 0 520 520" role="img" aria-label="Confusion matrix of ${matrix.length} classes">
      <title>Confusion matrix of ${matrix.length} classes</title>
      <g transform="translate(50 50)">
        <path class="frame" d="M0 0H460V460H0Z" />
        ${cellPaths(rowShares(pooled), size, size, shadeOf)}
        ${ticks.map((i) => [
          markup`<text class="end" x="-6" y="${(i + 0.5) * size}" dy="0.35em">${clip(className(i * block))}</text>`,
          markup`<text x="0" y="0" transform="translate(${(i + 0.5) * size + 4} -6) rotate(-45)">${clip(className(i * block))}</text>`,
        ])}
      </g>
    </svg>
  </figure>`;
}

/**
 * Teacher weights, [class][teacher]: a table with a row per class up to 20 classes, beyond a row per teacher with the classes
 * as a strip. Shades go from 0 to the largest weight.
 */
export function classWeights(
  values: (number | null)[][],
  teachers: string[],
  className: (index: number) => string,
  title: string,
): Markup {
  // A class that did not occur has zeros for weights.
  const weight = (i: number, j: number) => (values[i].some((value) => value !== 0) ? finite(values[i][j]) : undefined);
  const format = (value: number | undefined) => value?.toFixed(3) ?? missing;
  const largest = Math.max(...values.flat().map((value) => finite(value) ?? 0));
  const shade = (value: number | undefined) =>
    largest > 0 ? Math.round((Math.max(value ?? 0, 0) / largest) * shades) : 0;
  if (values.length <= fewClasses) {
    return markup`<div class="scroll">
      <table class="heat values">
        <caption>
          ${title}
        </caption>
        <thead>
          <tr>
            <th scope="col">class</th>
            ${teachers.map((name) => markup`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${values.map(
            (_, i) =>
              markup`<tr>
                <th scope="row">${className(i)}</th>
                ${teachers.map((_, j) => markup`<td class="h${shade(weight(i, j))}">${format(weight(i, j))}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }
  const classCount = values.length;
  return markup`<div class="scroll strips">
    <table class="heat">
      <caption>
        ${title}; each row runs over the ${classCount} classes, darkest at ${format(largest)}
      </caption>
      <thead>
        <tr>
          <th scope="col">teacher</th>
          <th scope="col">${className(0)} … ${className(classCount - 1)}</th>
          <th scope="col">lowest</th>
          <th scope="col">highest</th>
        </tr>
      </thead>
      <tbody>
        ${teachers.map((name, j) => {
          const row = values.map((_, i) => weight(i, j));
          const known = row.filter((value) => value !== undefined);
          return markup`<tr>
            <th scope="row">${name}</th>
            <td class="strip">
              <svg viewBox="0 0 ${classCount} 1" preserveAspectRatio="none" role="img" aria-label="${name} by class">
                ${cellPaths([row], 1, 1, shade)}
              </svg>
            </td>
            ${[Math.min(...known), Math.max(...known)].map((value) => markup`<td>${format(finite(value))}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}

/** One path per shade, of as many rectangles as have it: a hundred classes squared stay a small file. */
function cellPaths<T>(rows: T[][], width: number, height: number, shade: (value: T) => number): Content {
  const paths = new Array<string>(shades + 1).fill('');
  const at = (value: number) => Number(value.toFixed(2));
  rows.forEach((row, i) =>
    row.forEach((value, j) => {
      const k = shade(value);
      if (k > 0) paths[k] += `M${at(j * width)} ${at(i * height)}h${at(width)}v${at(height)}h${at(-width)}z`;
    }),
  );
  return paths.map((path, k) => path && markup`<path class="h${k}" d="${path}" />`);
}

/** A name that fits beside a drawing. */
function clip(name: string): string {
  return name.length > 9 ? `${name.slice(0, 8)}…` : name;
}
