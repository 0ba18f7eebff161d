/** From values to positions on a drawing. */
export interface Scale {
  (value: number): number;
  ticks: number[];
  /** What the two ends stand for. */
  domain: [number, number];
}

/**
 * A linear scale whose ends are round numbers around [low, high].
 *
 * @param range positions of the two ends
 * @param limits ends that rounding must not pass, such as 0 and 1 of a fraction
 */
export function linearScale(
  [low, high]: [number, number],
  range: [number, number],
  { tickCount = 5, round = true, limits = [-Infinity, Infinity] as [number, number] } = {},
): Scale {
  if (low === high) {
    const room = low === 0 ? 0.5 : Math.abs(low) * 0.1;
    [low, high] = [Math.max(low - room, limits[0]), Math.min(high + room, limits[1])];
  }
  const step = niceStep((high - low) / tickCount);
  const [from, to] = round
    ? [
        Math.max(Math.floor(low / step + 1e-9) * step, limits[0]),
        Math.min(Math.ceil(high / step - 1e-9) * step, limits[1]),
      ]
    : [low, high];
  const ticks: number[] = [];
  // Multiples of the step, never sums of it: 3 · 0.1 prints as 0.3 after rounding, a running sum drifts.
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++)
    ticks.push(Number((i * step).toPrecision(12)));
  const position = (value: number) => range[0] + ((value - from) / (to - from)) * (range[1] - range[0]);
  return Object.assign(position, { ticks, domain: [from, to] as [number, number] });
}

/** A logarithmic scale over [low, high], both positive; ticks at powers of ten, with 2 and 5 where there are few. */
export function logScale([low, high]: [number, number], range: [number, number]): Scale {
  const [from, to] = [10 ** Math.floor(Math.log10(low) + 1e-9), 10 ** Math.ceil(Math.log10(high) - 1e-9)];
  const decades = Math.round(Math.log10(to / from));
  const every = Math.ceil(decades / 6);
  const ticks: number[] = [];
  for (let i = 0; i <= decades; i += every) {
    const power = Number((from * 10 ** i).toPrecision(12));
    ticks.push(power);
    if (decades <= 2 && i < decades)
      ticks.push(Number((2 * power).toPrecision(12)), Number((5 * power).toPrecision(12)));
  }
  const position = (value: number) =>
    range[0] + (Math.log10(value / from) / Math.log10(to / from)) * (range[1] - range[0]);
  return Object.assign(position, { ticks, domain: [from, to] as [number, number] });
}

/** The smallest of 1, 2, 5, 10 times a power of ten that is not below `step`. */
export function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10;
  return factor * power;
}
