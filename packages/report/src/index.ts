export { renderReport, writeReport } from './report.js';
export { readRun } from './run-data.js';
export type { RunData } from './run-data.js';
