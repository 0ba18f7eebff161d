import { isDeepStrictEqual } from 'node:util';

/** The first few places where two manifests differ, `losses[1].weight: 1, now 2`; none when they are the same. */
export function manifestDifferences(then: unknown, now: unknown, path = ''): string[] {
  if (isDeepStrictEqual(then, now)) return [];
  if (isObject(then) && isObject(now)) {
    const keys = [...new Set([...Object.keys(then), ...Object.keys(now)])];
    const inner = (key: string) => (Array.isArray(now) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);
    return keys.flatMap((key) => manifestDifferences(then[key], now[key], inner(key))).slice(0, 5);
  }
  return [`${path}: ${show(then)}, now ${show(now)}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function show(value: unknown): string {
  const text = value === undefined ? 'absent' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
