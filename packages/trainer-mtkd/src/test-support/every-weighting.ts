import { createRegistry } from '@retort/core';
import { plugins } from './compose.js';

/** What is known of one weighting. */
interface Known {
  /** Beside its name; by the ids of the teachers there are. */
  options?(ids: string[]): object;
  /** It has parameters, noise or positions of its own per teacher, so that an order of teachers is part of what it is. */
  ordered?: boolean;
  /** Teachers that say the same may have different weights. */
  tellsTwinsApart?: boolean;
}

const known: Record<string, Known> = {
  'amtml-kd': { ordered: true, tellsTwinsApart: true },
  agent: { ordered: true, tellsTwinsApart: true },
  mmkd: { ordered: true, tellsTwinsApart: true },
  permuted: { options: () => ({ of: 'ca-mkd' }) },
  constant: {
    options: (ids) => ({ weights: Object.fromEntries(ids.map((id, m) => [id, 1 + m])) }),
    ordered: true,
    tellsTwinsApart: true,
  },
};

/** Every weighting this package registers, those that are added later included, with what it is asked. */
export const everyWeighting = createRegistry(plugins)
  .list('weighting')
  .filter(({ plugin }) => plugin === '@retort/trainer-mtkd')
  .map(({ part: { name, needs } }) => ({
    name,
    manifest: (ids: string[]) => ({ use: name, ...known[name]?.options?.(ids) }),
    readsTeachers: (needs?.teacher ?? []).length > 0,
    ordered: known[name]?.ordered ?? false,
    tellsTwinsApart: known[name]?.tellsTwinsApart ?? false,
  }));

/** Those that weigh anything. */
export const weightingsOfTeachers = everyWeighting.filter(({ readsTeachers }) => readsTeachers);
