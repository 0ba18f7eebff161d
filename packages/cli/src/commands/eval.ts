import { composeFromRun, InputError, type Split } from '@retort/core';
import { plugins } from '../plugins.js';
import { resultsTable } from '../results.js';
import { findStudent } from '../student-folder.js';
import type { Terminal } from '../terminal.js';

export async function evaluate(path: string, { split }: { split: Split }, terminal: Terminal): Promise<number> {
  const { student, run } = findStudent(path);
  if (!run) {
    throw new InputError(`${path} lies outside a run folder, so its data set is not known`, {
      hints: ['to classify images with it: retort predict FOLDER --student ' + path],
    });
  }
  const composed = await composeFromRun(run, { plugins });
  try {
    const values = await composed.trainer.evaluate(student, split);
    if (terminal.json) terminal.print(JSON.stringify({ student, split, values }, undefined, 2));
    else {
      const named = Object.fromEntries(Object.entries(values).map(([name, value]) => [`${split}/${name}`, value]));
      terminal.print(resultsTable({ [student]: named }));
    }
    return 0;
  } finally {
    await composed.dispose();
  }
}
