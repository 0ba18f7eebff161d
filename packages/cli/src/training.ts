import { join, relative } from 'node:path';
import { type Emit, messageOf, type RunOutcome } from '@retort/core';
import { writeReport } from '@retort/report';
import { INTERRUPTED, interruptible } from './interrupt.js';
import { createProgress } from './progress.js';
import { resultsTable } from './results.js';
import { writeStudentPlay } from './student-play.js';
import type { Terminal } from './terminal.js';

/** Trains through `body` with a progress bar and Ctrl-C, writes the report and prints the results. @returns the exit code */
export async function train(
  terminal: Terminal,
  body: (options: { signal: AbortSignal; onEvent: Emit }) => Promise<RunOutcome>,
): Promise<number> {
  const progress = terminal.quiet
    ? undefined
    : createProgress({ stream: process.stderr, bar: process.stderr.isTTY === true });
  let outcome: RunOutcome;
  try {
    outcome = await interruptible(
      () =>
        progress?.onEvent({
          type: 'info',
          message: 'stopping after this step and a checkpoint; Ctrl-C again stops at once',
        }),
      (signal) => body({ signal, onEvent: progress?.onEvent ?? (() => undefined) }),
    );
  } finally {
    progress?.stop();
  }
  const folder = relative(process.cwd(), outcome.folder) || '.';
  const report = join(folder, 'report.html');
  if (outcome.status === 'finished') {
    // The run is done; a picture of it is not worth failing for.
    await writeStudentPlay(folder, (text) => terminal.note(text)).catch((error: unknown) =>
      terminal.note(`its episodes could not be drawn: ${messageOf(error)}`),
    );
  }
  try {
    writeReport([folder], report);
  } catch (error) {
    // The run is done and saved; its numbers are not to be lost for want of a page about them.
    process.stderr.write(`retort: ${report} could not be written: ${messageOf(error)}\n`);
  }
  if (terminal.json) terminal.print(JSON.stringify({ ...outcome, report }, undefined, 2));
  if (outcome.status === 'interrupted') {
    // Said even with --quiet: whoever stops a run wants to know that it can be gone on with.
    process.stderr.write(`\ninterrupted; everything is saved. Go on with:\n  retort resume ${folder}\n`);
    return INTERRUPTED;
  }
  if (!terminal.json) terminal.print(`\n${resultsTable(outcome.results)}`);
  terminal.note(
    ['', `student  ${join(folder, 'student', 'best' in outcome.results ? 'best' : 'last')}`, `report   ${report}`].join(
      '\n',
    ),
  );
  return 0;
}
