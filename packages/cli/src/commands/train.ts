import { run } from '@retort/core';
import { plugins } from '../plugins.js';
import { refuseProtocol } from '../protocol-not-manifest.js';
import type { Terminal } from '../terminal.js';
import { train as trainWith } from '../training.js';

export interface TrainOptions {
  set: string[];
  overwrite?: boolean;
  folder?: string;
}

export async function train(
  manifest: string,
  { set, overwrite, folder }: TrainOptions,
  terminal: Terminal,
): Promise<number> {
  refuseProtocol(manifest);
  const settings = folder === undefined ? set : [...set, `run.folder=${JSON.stringify(folder)}`];
  return trainWith(terminal, (how) => run(manifest, { ...how, plugins, set: settings, overwrite }));
}
