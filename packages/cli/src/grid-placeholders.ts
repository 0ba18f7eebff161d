/** `${run:ARM}` in a setting: the run folder of that arm with the same seed. */
const runPlaceholder = /\$\{run:([^}]*)\}/g;

/** Names of the arms whose runs must be finished before one with these settings can begin. */
export function armsNeeded(settings: readonly string[]): string[] {
  return [...new Set(settings.flatMap((setting) => [...setting.matchAll(runPlaceholder)].map(([, arm]) => arm)))];
}

/** Whether runs of an arm differ in more than their seed. */
export function differsBySeed(settings: readonly string[]): boolean {
  return settings.some((setting) => setting.includes('${seed}')) || armsNeeded(settings).length > 0;
}

/** Settings as one run has them: `${seed}` and `${run:ARM}` replaced. */
export function filledIn(settings: readonly string[], seed: number, folderOf: (arm: string) => string): string[] {
  return settings.map((setting) =>
    setting.replaceAll('${seed}', String(seed)).replaceAll(runPlaceholder, (_, arm: string) => folderOf(arm)),
  );
}
