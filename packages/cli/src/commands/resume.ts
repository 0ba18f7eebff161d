import { resume as resumeRun } from '@retort/core';
import { plugins } from '../plugins.js';
import type { Terminal } from '../terminal.js';
import { train } from '../training.js';

export async function resume(folder: string, { step }: { step?: number }, terminal: Terminal): Promise<number> {
  return train(terminal, (how) => resumeRun(folder, { ...how, plugins, step }));
}
