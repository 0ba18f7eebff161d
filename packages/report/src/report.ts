import { sha256, writeWhole } from '@retort/core';
import { comparison, distinctNames } from './comparison.js';
import { markup, Markup } from './markup.js';
import { readRun, type RunData } from './run-data.js';
import { runSection, statusBadge } from './run-section.js';
import { summarize } from './run-summary.js';
import { script } from './script.js';
import { style } from './style.js';

/**
 * One HTML page about one run, or a comparison of several with each below it. Pure: the same runs give the same text.
 *
 * The page is whole in itself: nothing is fetched when it is opened, and its own policy forbids it.
 */
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
  // The policy lets this script run and no other, not even one that slipped through the escaping.
  const scriptDigest = Buffer.from(sha256(script), 'hex').toString('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptDigest}'; base-uri 'none'; form-action 'none'`;
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} – Retort</title>
        ${new Markup(`<style>${style}</style>`)}
      </head>
      <body>
        <main>
          ${body}
          <footer>Written by Retort from the run's own log.</footer>
        </main>
        ${new Markup(`<script>${script}</script>`)}
      </body>
    </html>
`.text;
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
