import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEvent } from '@retort/core';
import { runQuietly, tinyManifest } from './test-support/compose.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-collapse-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const warnings = (events: RunEvent[]) => events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));

it('a student that talks itself into something is warned of once an evaluation', async () => {
  const { events } = await runQuietly(
    tinyManifest(join(home, 'run'), {
      dataset: { use: 'scenes', classes: 3, size: 16, train: 120, test: 20, batchSize: 16, validation: 0.2 },
      trainer: { aux: { taps: [] } },
      stage2: {
        epochs: 2,
        gradient: 'pathwise',
        rewards: ['sharpening'],
        standardize: 'none',
        anneal: { from: 0, to: 0 },
        optimizer: { use: 'adamw', learningRate: 0.05 },
      },
    }),
  );
  const told = warnings(events);
  expect(told.some((message) => message.startsWith('predictions have an entropy of'))).toBe(true);
  expect(told.some((message) => message.startsWith('the calibration error is'))).toBe(true);
  // One evaluation of each epoch; the last and the best student are no news.
  expect(told.length).toBeLessThanOrEqual(4);
}, 120_000);
