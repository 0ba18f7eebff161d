import { readLock, readLog, RunError, type LoggedEvent } from '@retort/core';
import { readClusterPlot, type ClusterPlot } from './cluster-plot.js';
import { readPlayedEpisodes, type PlayedEpisodes } from './played-episodes.js';

/** What a report is made from. */
export interface RunData {
  /** As it was named; the report shows it and reads nothing from it. */
  folder: string;
  /** Text of manifest.lock.yaml; absent when it is damaged. */
  manifest?: string;
  events: LoggedEvent[];
  /** Clusters of a teacher's embeddings, where the run made some. */
  clusters?: ClusterPlot;
  /** Episodes of its student and its teachers, where it acts. */
  played?: PlayedEpisodes;
  /** What was wrong with the folder itself. */
  problems: string[];
}

/**
 * Reads a run folder: finished, interrupted or still being written.
 *
 * A damaged manifest is told in `problems`; the rest of the run can be looked at all the same.
 *
 * @throws InputError when the folder holds no run
 */
export function readRun(folder: string): RunData {
  const run: RunData = { folder, events: readLog(folder).filter(isEvent), problems: [] };
  try {
    run.manifest = readLock(folder);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    run.problems.push(error.message);
  }
  const { plot, problem } = readClusterPlot(folder);
  if (plot) run.clusters = plot;
  if (problem !== undefined) run.problems.push(problem);
  const { played, problem: fault } = readPlayedEpisodes(folder);
  if (played) run.played = played;
  if (fault !== undefined) run.problems.push(fault);
  return run;
}

/** A line that parses may still not be an event, such as the number left of a line that was cut at its start. */
function isEvent(line: unknown): line is LoggedEvent {
  return typeof line === 'object' && line !== null && typeof (line as { type?: unknown }).type === 'string';
}
