import { type Loss, type LossContext, type Part, Seeds } from '@retort/core';

/** A loss made from its part, options parsed as the manifest parses them. */
export function makeLoss(
  part: Part<'loss'>,
  options: object,
  shapes: Pick<LossContext, 'student' | 'teacher' | 'classes'>,
): Loss {
  const context: LossContext = { teacherId: 'r56', seeds: new Seeds(7), path: 'losses[2]', ...shapes };
  return part.create(part.options.parse(options) as never, context) as Loss;
}

/** Numbers in (−scale, scale), the same for the same name. */
export function numbers(name: string, size: number, scale = 2): number[] {
  const random = new Seeds(3).stream(name);
  return Array.from({ length: size }, () => Math.fround((2 * random.uniform() - 1) * scale));
}

/** softmax(z / T) in float64. */
export function softmax(z: number[], temperature = 1): number[] {
  const largest = Math.max(...z);
  const e = z.map((x) => Math.exp((x - largest) / temperature));
  const total = sum(e);
  return e.map((x) => x / total);
}

export function sum(values: number[]): number {
  return values.reduce((total, x) => total + x, 0);
}

/** Rows of `width` numbers. */
export function rows(values: number[], width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));
}

export function mean(values: number[]): number {
  return sum(values) / values.length;
}

export function dot(a: number[], b: number[]): number {
  return sum(a.map((x, i) => x * b[i]));
}

/** Σ q (log q − log p) of softmax(t / T) from softmax(s / T), in float64. */
export function klOfLogits(s: number[], t: number[], temperature = 1): number {
  const [p, q] = [softmax(s, temperature), softmax(t, temperature)];
  return sum(q.map((_, c) => q[c] * (Math.log(q[c]) - Math.log(p[c]))));
}
