import type { ClusterPlot } from './cluster-plot.js';
import { short } from './line-chart.js';
import { markup, type Content, type Markup } from './markup.js';
import { count, percent, plain } from './numbers.js';

/** Colors of the style sheet for points; beyond them they repeat. */
export const pointColors = 12;

/** Most points drawn, taken evenly from those that are there. */
const mostPoints = 2000;

/** Most entries of a legend. */
const mostEntries = 24;

/** A cluster as its points show it. */
export interface ClusterSummary {
  cluster: number;
  points: number;
  /** The class that most of its points have. */
  commonest?: { label: number; share: number };
  /** Number of its color. */
  color: number;
}

/** The clusters of a teacher's embeddings: colored by cluster, outlined by class, centers as numbered diamonds. */
export function scatterPlot(plot: ClusterPlot): Markup | undefined {
  const { points, cluster, label, centers } = plot;
  if (points.length === 0 && centers.length === 0) return undefined;
  const { width, height, room } = { width: 560, height: 420, room: 18 };
  const at = sameScale([...points, ...centers], width, height, room);
  const className = (index: number) => plot.classes?.[index] ?? `class ${index}`;
  const clusters = summarizeClusters(plot);
  const every = Math.ceil(points.length / mostPoints);
  const drawn = points.map((_, i) => i).filter((i) => i % every === 0);
  const purity = label && purityOf(clusters, points.length);
  const labels = label ? [...new Set(label)].sort((a, b) => a - b) : [];

  return markup`<figure class="scatter">
    <figcaption>Clusters of the teacher’s embeddings<small>${notes(plot, drawn.length, purity)}</small></figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Clusters of the teacher’s embeddings">
      <title>Clusters of the teacher’s embeddings</title>
      <desc>${clusters.map((one) => describe(one, className)).join('; ')}</desc>
      <rect class="frame" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}"/>
      ${clusters.map(({ cluster: k, color }) => {
        const own = drawn.filter((i) => cluster[i] === k);
        return (
          own.length > 0 &&
          markup`<g class="k${color}">${own.map((i) => point(at(points[i]), k, label && label[i], className))}</g>`
        );
      })}
      ${clusters.map((one) => center(at(centers[one.cluster]), one, className))}
    </svg>
    ${clusterLegend(clusters, className)} ${labels.length > 0 && labelLegend(labels, className)}
  </figure>`;
}

/**
 * Size and commonest class of every cluster. Where classes are known, clusters are matched with them, those that share most points
 * first, and take the number of their class as color: a point whose outline differs from its filling lies in a cluster of another
 * class.
 */
export function summarizeClusters({ cluster, label, centers }: ClusterPlot): ClusterSummary[] {
  const sizes = centers.map(() => 0);
  const shared = new Map<string, { cluster: number; label: number; points: number }>();
  cluster.forEach((k, i) => {
    sizes[k]++;
    if (!label) return;
    const key = `${k} ${label[i]}`;
    const known = shared.get(key);
    if (known) known.points++;
    else shared.set(key, { cluster: k, label: label[i], points: 1 });
  });
  const pairs = [...shared.values()].sort((a, b) => b.points - a.points || a.cluster - b.cluster || a.label - b.label);
  const colors = new Map<number, number>();
  const taken = new Set<number>();
  for (const pair of pairs) {
    if (colors.has(pair.cluster) || taken.has(pair.label)) continue;
    colors.set(pair.cluster, pair.label);
    taken.add(pair.label);
  }
  let next = 0;
  return sizes.map((points, k) => {
    if (!colors.has(k)) {
      while (taken.has(next)) next++;
      taken.add(next);
      colors.set(k, next);
    }
    const most = pairs.find((pair) => pair.cluster === k);
    return {
      cluster: k,
      points,
      ...(most && { commonest: { label: most.label, share: most.points / points } }),
      color: colors.get(k)! % pointColors,
    };
  });
}

/** Share of the points that have the commonest class of their cluster. */
function purityOf(clusters: ClusterSummary[], points: number): number {
  return clusters.reduce((sum, { points: size, commonest }) => sum + size * (commonest?.share ?? 0), 0) / points;
}

function notes(plot: ClusterPlot, drawn: number, purity: number | undefined): string {
  const { whole, centers, points } = plot;
  const of = whole ? `${count(whole.embeddings)} embeddings of ${count(whole.size)} numbers in ` : '';
  const cosine =
    whole?.meanCosine === undefined
      ? ''
      : `; mean cosine to the own center ${plain(Number(whole.meanCosine.toFixed(3)))}`;
  const sharing =
    purity === undefined ? '' : `; ${percent(purity, 1)} of the points have the commonest class of their cluster`;
  const part = drawn < points.length || (whole && drawn < whole.embeddings) ? `, ${count(drawn)} of them drawn` : '';
  const outlined = plot.label ? ' Filled by cluster, outlined by class.' : ' Colored by cluster.';
  const repeats = Math.max(centers.length, plot.label ? Math.max(...plot.label) + 1 : 0) > pointColors;
  return (
    `${of}${count(centers.length)} ${centers.length === 1 ? 'cluster' : 'clusters'}${part}${cosine}${sharing}.${outlined} Diamonds are the centers. ` +
    `Projected on a plane: what lies close together here may lie apart in truth.${repeats ? ` Colors repeat after ${pointColors}.` : ''}`
  );
}

function point(
  [x, y]: [number, number],
  k: number,
  label: number | undefined,
  className: (index: number) => string,
): Markup {
  const title = `cluster ${k}${label === undefined ? '' : `, ${className(label)}`}`;
  return markup`<circle${label !== undefined && markup` class="o${label % pointColors}"`} cx="${short(x)}" cy="${short(y)}" r="3.2"><title>${title}</title></circle>`;
}

function center([x, y]: [number, number], one: ClusterSummary, className: (index: number) => string): Markup {
  return markup`<g class="center k${one.color}"><title>center of ${describe(one, className)}</title><path d="M${short(x)} ${short(y - 8)}l8 8l-8 8l-8 -8z"/><text class="middle" x="${short(x)}" y="${short(y - 12)}">${one.cluster}</text></g>`;
}

function describe({ cluster, points, commonest }: ClusterSummary, className: (index: number) => string): string {
  const most = commonest ? `, ${percent(commonest.share, 0)} ${className(commonest.label)}` : '';
  return `cluster ${cluster}: ${count(points)} ${points === 1 ? 'point' : 'points'}${most}`;
}

function clusterLegend(clusters: ClusterSummary[], className: (index: number) => string): Content {
  const largest = [...clusters].sort((a, b) => b.points - a.points || a.cluster - b.cluster);
  const shown = largest.slice(0, mostEntries).sort((a, b) => a.cluster - b.cluster);
  const more = clusters.length - shown.length;
  return markup`<ul class="legend" aria-label="Clusters">
    ${shown.map(
      (one) =>
        markup`<li><svg class="k${one.color}" viewBox="0 0 22 10" aria-hidden="true"><path class="swatch" d="M11 0l5 5l-5 5l-5 -5z"/></svg>${describe(one, className)}</li>`,
    )}
    ${more > 0 && markup`<li>and ${count(more)} smaller ${more === 1 ? 'cluster' : 'clusters'}</li>`}
  </ul>`;
}

function labelLegend(labels: number[], className: (index: number) => string): Content {
  const shown = labels.slice(0, mostEntries);
  const more = labels.length - shown.length;
  return markup`<ul class="legend" aria-label="Classes, as outlines">
    ${shown.map(
      (label) =>
        markup`<li><svg viewBox="0 0 22 10" aria-hidden="true"><circle class="ring o${label % pointColors}" cx="11" cy="5" r="3.6"/></svg>${className(label)}</li>`,
    )}
    ${more > 0 && markup`<li>and ${count(more)} more ${more === 1 ? 'class' : 'classes'}</li>`}
  </ul>`;
}

/** Places on the drawing, with the same scale along both axes: the axes of a projection have no meaning of their own. */
function sameScale(
  places: [number, number][],
  width: number,
  height: number,
  room: number,
): (place: [number, number]) => [number, number] {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of places) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const scale = Math.min((width - 2 * room) / (right - left || 1), (height - 2 * room) / (bottom - top || 1));
  const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
  return ([x, y]) => [width / 2 + (x - middleX) * scale, height / 2 - (y - middleY) * scale];
}
