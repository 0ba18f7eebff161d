import { fewClasses } from './heat-map.js';
import { markup, type Markup } from './markup.js';
import { finite, percent } from './numbers.js';

/** Accuracy per class: a bar with its name each up to 20 classes, columns from lowest to highest and the worst ten beyond. */
export function classAccuracy(values: (number | null)[], className: (index: number) => string): Markup {
  const entries = values.map((value, index) => ({ name: className(index), value: finite(value) }));
  if (entries.length <= fewClasses) return bars('Accuracy per class', entries);
  const sorted = entries
    .filter((entry): entry is { name: string; value: number } => entry.value !== undefined)
    .sort((a, b) => a.value - b.value);
  const width = 684 / sorted.length;
  const title = `Accuracy of ${entries.length} classes, lowest to highest`;
  return markup`<figure class="chart wide columns">
      <figcaption>${title}</figcaption>
      <svg viewBox="0 0 750 190" role="img" aria-label="${title}">
        <title>${title}</title>
        ${[0, 0.5, 1].map((tick) => markup`<path class="grid" d="M62 ${170 - tick * 160}H746" /><text class="end" x="56" y="${170 - tick * 160}" dy="0.35em">${percent(tick, 0)}</text>`)}
        <path
          class="bar"
          d="${sorted.map(({ value }, i) => `M${(62 + i * width).toFixed(2)} 170v${(-value * 160).toFixed(2)}h${(width * 0.8).toFixed(2)}V170z`).join('')}"
        />
      </svg>
    </figure>
    ${bars('The ten lowest', sorted.slice(0, 10))}`;
}

/** Named fractions as bars across. */
export function bars(title: string, entries: { name: string; value: number | undefined }[]): Markup {
  return markup`<div class="scroll">
    <table class="bars">
      <caption>
        ${title}
      </caption>
      <tbody>
        ${entries.map(
          ({ name, value }) =>
            markup`<tr>
              <th scope="row">${name}</th>
              <td class="track">
                <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                  <path class="rail" d="M0 0H100V10H0Z" />
                  <path class="bar" d="M0 0H${((value ?? 0) * 100).toFixed(2)}V10H0Z" />
                </svg>
              </td>
              <td>${percent(value)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** The pairs of classes taken for one another most often, as shares of the true class. */
export function worstConfusions(
  matrix: number[][],
  className: (index: number) => string,
  most = 10,
): Markup | undefined {
  const pairs = matrix.flatMap((row, i) => {
    const sum = row.reduce((total, value) => total + (value || 0), 0);
    return row.flatMap((value, j) => (i !== j && value > 0 ? [{ i, j, value, share: value / sum }] : []));
  });
  if (pairs.length === 0) return undefined;
  pairs.sort((a, b) => b.value - a.value || b.share - a.share);
  return markup`<div class="scroll">
    <table>
      <caption>
        Most frequent confusions
      </caption>
      <thead>
        <tr>
          <th scope="col">true class</th>
          <th scope="col">predicted</th>
          <th scope="col" class="number">samples</th>
          <th scope="col" class="number">of the class</th>
        </tr>
      </thead>
      <tbody>
        ${pairs.slice(0, most).map(
          ({ i, j, value, share }) =>
            markup`<tr>
              <td>${className(i)}</td>
              <td>${className(j)}</td>
              <td class="number">${value}</td>
              <td class="number">${percent(share, 1)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
