import { type RunEstimate, stateBytes } from '@retort/core';
import { collectAndLearn, loadRun, saveRun } from './reinforcement-loop.js';
import type { ReinforcementRun } from './reinforcement.js';

/** Updates that are timed, and after how many seconds no more are. */
const [timed, patience] = [5, 10];

/**
 * Times steps of the run until a few have learned something, and one evaluation, then puts everything back. Later episodes may be
 * longer than those of an untrained student: seconds are for evaluations whose episodes all last until the time limit.
 */
export async function estimateReinforcement(run: ReinforcementRun): Promise<RunEstimate> {
  const { collector, log, stepSize, student, environment } = run;
  const before = await saveRun(run);
  await collector.begin();
  const began = performance.now();
  const secondsSince = (start: number) => (performance.now() - start) / 1000;
  let [perStep, memoryBytes, learned] = [Infinity, 0, 0];
  while (learned < timed && secondsSince(began) < patience) {
    const start = performance.now();
    await collectAndLearn(run, collector.transitions + stepSize);
    const report = await log.read();
    const seconds = secondsSince(start);
    memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss);
    // Before an agent learns its steps are cheaper, and the first that learns warms caches up.
    const learns = Object.keys(report).length > 0;
    if (learns && learned++ === 0) perStep = Infinity;
    else perStep = Math.min(perStep, seconds);
  }
  if (perStep === Infinity) perStep = secondsSince(began);
  const start = performance.now();
  const played = await run.play('validation');
  const perPlayed = secondsSince(start) / Math.max(1, played['episode-length'] as number);
  await loadRun(run, before);
  const evaluations = run.epochs + 4;
  return {
    parameters: student.parameters,
    macs: student.macs,
    checkpointBytes: stateBytes(before),
    memoryBytes,
    seconds:
      run.epochs * run.stepsPerEpoch * perStep + evaluations * Math.min(environment.timeLimit, 10_000) * perPlayed,
    stepsPerEpoch: run.stepsPerEpoch,
    epochs: run.epochs,
  };
}
