// Sample statistics for the tables in docs/results.
import jstat from 'jstat';

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: divided by n − 1. */
export function deviation(values) {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

/** `mean ± deviation` */
export function meanAndDeviation(values, digits) {
  return values.length > 1
    ? `${mean(values).toFixed(digits)} ± ${deviation(values).toFixed(digits)}`
    : mean(values).toFixed(digits);
}

/** `mean [low, high]`, the 95 % interval by Student's t. */
export function interval(values, digits) {
  const half = (jstat.studentt.inv(0.975, values.length - 1) * deviation(values)) / Math.sqrt(values.length);
  const center = mean(values);
  return `${center.toFixed(digits)} [${(center - half).toFixed(digits)}, ${(center + half).toFixed(digits)}]`;
}
