import { closest, distance } from 'fastest-levenshtein';

/** "did you mean …" with the nearest name, or the list of names when none is near. */
export function nearestHint(name: string, names: readonly string[]): string {
  if (names.length === 0) return 'there are none';
  const nearest = closest(name, names);
  const listed = `choose from: ${names.join(', ')}`;
  return distance(name, nearest) <= Math.max(2, name.length / 3) ? `did you mean "${nearest}"? ${listed}` : listed;
}
