import { isFraction, missing, plain } from './numbers.js';
import { fullMetric } from './grid-summary.js';
import type { RobustMean } from './interquartile-mean.js';
import type { Sample } from './statistics.js';

/** How the values of a metric are written: fractions in percent with two digits, anything else with four significant ones. */
export interface MetricFormat {
  /** `%`, or nothing. */
  unit: string;
  /** Of differences: `points`, or nothing. */
  differenceUnit: string;
  number(value: number): string;
}

export function gridFormat(metric: string): MetricFormat {
  if (!isFraction(fullMetric(metric).replace(/^\w+\//, ''))) return { unit: '', differenceUnit: '', number: plain };
  return { unit: '%', differenceUnit: 'points', number: (value) => (value * 100).toFixed(2).replace(/^-/, '\u2212') };
}

/** `61.35 ± 0.68`; the mean alone where there is no deviation. */
export function meanAndDeviation(sample: Sample | undefined, { number }: MetricFormat): string {
  if (!sample) return missing;
  return sample.deviation === undefined ? number(sample.mean) : `${number(sample.mean)} ± ${number(sample.deviation)}`;
}

/** `6.33 [4.47, 8.18]`; the mean alone where there is no interval. */
export function meanAndInterval(sample: Sample | undefined, { number }: MetricFormat): string {
  if (!sample) return missing;
  return sample.interval ? `${number(sample.mean)} [${sample.interval.map(number).join(', ')}]` : number(sample.mean);
}

/** `487.3 [460.1, 500]`; the interquartile mean alone where there is no interval. */
export function scoreAndInterval(score: RobustMean | undefined, format: MetricFormat): string {
  return meanAndInterval(score && { n: score.n, mean: score.value, interval: score.interval }, format);
}

/** `≥ 4.90, ≤ 7.76` */
export function boundsText(bounds: [number, number] | undefined, { number }: MetricFormat): string {
  return bounds ? `≥ ${number(bounds[0])}, ≤ ${number(bounds[1])}` : missing;
}

/** Four decimals. */
export function pText(p: number | undefined): string {
  if (p === undefined) return missing;
  return p < 0.0001 ? '< 0.0001' : p.toFixed(4);
}

/** 1536 → `1.5 KiB`. */
export function bytes(size: number | undefined): string {
  if (size === undefined) return missing;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = size < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(size) / 10));
  const value = size / 1024 ** power;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${units[power]}`;
}
