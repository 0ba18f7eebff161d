import { writeWhole } from '@retort/core';
import { comparison, distinctNames } from './comparison.js';
import { markup } from './markup.js';
import { page } from './page.js';
import { readRun, type RunData } from './run-data.js';
import { runSection, statusBadge } from './run-section.js';
import { summarize } from './run-summary.js';

/** One HTML page about one run, or a comparison of several with each below it. Pure: the same runs give the same text. */
export function renderReport(runs: RunData[]): string {
  const summaries = runs.map(summarize);
  const names = distinctNames(summaries);
  const title = summaries.length === 1 ? names[0] : `${summaries.length} runs`;
  const body =
    summaries.length === 1
      ? markup`<header class="head">
            <h1>${title}</h1>
            ${statusBadge(summaries[0])}
          </header>
          ${runSection(summaries[0])}`
      : markup`<header class="head"><h1>${title}</h1></header>
          ${summaries.length > 1 && comparison(summaries, names)}
          ${summaries.length > 1 && markup`<h2>Runs</h2>`}${summaries.map(
            (run, i) =>
              markup`<details class="run">
                <summary>${names[i]} ${statusBadge(run)}</summary>
                ${runSection(run)}
              </details>`,
          )}`;
  return page(title, body, "Written by Retort from the run's own log.");
}

/**
 * Reads the run folders and writes their report, whole or not at all.
 *
 * @param file replaced when it is there; its folder must exist
 * @returns `file`
 * @throws InputError when a folder holds no run; RunError when the file cannot be written
 */
export function writeReport(folders: string[], file: string): string {
  writeWhole(file, renderReport(folders.map(readRun)));
  return file;
}
