// Sample statistics for the tables in docs/results, as text.
import { mean, meanInterval, standardDeviation } from '@retort/report';

export { mean, standardDeviation as deviation };

/** `mean ± deviation` */
export function meanAndDeviation(values, digits) {
  return values.length > 1
    ? `${mean(values).toFixed(digits)} ± ${standardDeviation(values).toFixed(digits)}`
    : mean(values).toFixed(digits);
}

/** `mean [low, high]`, the 95 % interval by Student's t. */
export function interval(values, digits) {
  const [low, high] = meanInterval(values).map((end) => end.toFixed(digits));
  return `${mean(values).toFixed(digits)} [${low}, ${high}]`;
}
