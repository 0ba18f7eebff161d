/** Numbers and times as people read them. A missing value is a dash. */

export const missing = '–';

/** What a log says of a number: NaN and the infinities become null on their way through JSON. */
export function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** 0.81234 → `81.23%`. */
export function percent(fraction: number | undefined, digits = 2): string {
  return fraction === undefined ? missing : `${withMinus((fraction * 100).toFixed(digits))}%`;
}

/** Difference of two fractions in percentage points, signed: `+1.30`. */
export function points(difference: number | undefined): string {
  if (difference === undefined) return missing;
  const text = (difference * 100).toFixed(2);
  return Number(text) === 0 ? '±0.00' : difference > 0 ? `+${text}` : withMinus(text);
}

/** Four significant digits, two where a power of ten is needed: `0.05`, `12.35`, `3.1e-5`. */
export function plain(value: number | undefined): string {
  if (value === undefined) return missing;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e6 || size < 1e-3) return withMinus(value.toExponential(1).replace('.0e', 'e').replace('e+', 'e'));
  if (size >= 1000) return count(value);
  return withMinus(String(Number(value.toPrecision(4))));
}

/** A whole number with thin spaces between thousands. */
export function count(value: number | undefined): string {
  if (value === undefined) return missing;
  return withMinus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f'));
}

/** 3725 → `1 h 2 min`. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return missing;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `2026-03-01T09:30:12.000Z` → `2026-03-01 09:30 UTC`; anything else as it is. */
export function moment(time: string): string {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z$/.exec(time);
  return parts ? `${parts[1]} ${parts[2]} UTC` : time;
}

/** Whether a metric is a fraction in [0, 1], shown in percent. */
export function isFraction(metric: string): boolean {
  return /^(top-\d+|calibration-error|agreement\/|recall|success$|exact-match|(.*-)?accuracy)/.test(metric);
}

/** Whether a metric tells how well somebody acts: over seeds it is told by its interquartile mean. */
export function isScore(metric: string): boolean {
  return /^((train|validation|test)\/)?(return|success|score|episode-length)(?![a-z])/.test(metric);
}

function withMinus(text: string): string {
  return text.replace(/^-/, '\u2212');
}
