import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { playedFiles } from './played-episodes.js';
import { renderReport } from './report.js';
import { readRun } from './run-data.js';
import { placeOf } from './run-metrics.js';
import { summarize } from './run-summary.js';
import { syntheticActingRun } from './test-support/synthetic-acting-run.js';
import { syntheticRun, writeRunFolder } from './test-support/synthetic-run.js';

describe('the report of a run that acts', () => {
  const page = renderReport([syntheticActingRun()]);
  const body = page.slice(page.indexOf('<main>'));
  const [facts] = /<dl class="facts">[^]*?<\/dl>/.exec(body)!;
  const words = (markup: string) => markup.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

  it('says environment, agent, rewards and the size of the student', () => {
    expect(words(facts)).toContain('Environment frame-stack of cart-pole');
    expect(words(facts)).toContain('Agent ppo');
    expect(words(facts)).toContain('Rewards shaping 0.5');
    expect(words(facts)).toContain('Student size 461 parameters');
    expect(words(facts)).toMatch(/Batch 1.024 environment steps/);
  });

  it('draws returns and lengths over environment steps, with the episodes of training beside the evaluations', () => {
    const figure = (title: string) =>
      [...body.matchAll(/<figure class="chart">[^]*?<\/figure>/g)].find(([text]) => text.includes(`>${title}<`))?.[0];
    for (const title of ['Return', 'Episode length', 'Reward', 'Policy loss', 'Value loss', 'Entropy', 'Episodes']) {
      expect(figure(title)).toMatch(/<text class="middle label"[^>]*>environment steps</);
    }
    expect(figure('Return')).toMatch(/validation: from .*training: from/);
    expect(figure('Return')).toContain('&quot;environment steps 20');
    expect(figure('Environment steps per second')).toContain('environment steps/s');
    expect(body).not.toMatch(/images/i);
    expect(words(body)).toMatch(/environment steps per second, mean/);
  });

  it('writes returns as they are', () => {
    expect(words(body)).toMatch(/test return, last student \d{3}(\.\d)? /);
    expect(body.replaceAll(/95 %/g, '')).not.toMatch(/\d ?%/);
  });

  it('shows the episodes of student and teacher, and says what each earned', () => {
    expect(body).toContain('student: return 487 in 487 steps; teacher: return 500 in 500 steps');
    expect(body).toContain('<img alt="student: return 487');
    expect(body).toContain('src="data:image/gif;base64,R0lGOD');
    expect(page).toContain('img-src data:');
  });

  it('compares runs over environment steps where all count them, else over epochs', () => {
    const both = renderReport([syntheticActingRun(), syntheticActingRun({ name: 'other', seed: 2 })]);
    expect(both).toMatch(/Validation return[^]*?<text class="middle label"[^>]*>environment steps</);
    const mixed = renderReport([syntheticActingRun(), syntheticRun({ name: 'images' })]);
    expect(mixed).toMatch(/Validation top-1 accuracy[^]*?<text class="middle label"[^>]*>epoch</);
  });
});

describe('placeOf', () => {
  const run = summarize(syntheticActingRun({ epochsDone: 3 }));

  it('counts environment steps, also inside an epoch and past the last whole one', () => {
    const at = [0, 1, 2, 5, 6].map((step) => placeOf(run, { epoch: Math.floor(step / 2), step }));
    expect(at).toEqual([1024, 2048, 3072, 6144, 7168]);
  });

  it('counts what an epoch has in its first epoch', () => {
    const begun = { ...run, seen: [] };
    expect(placeOf(begun, { epoch: 0, step: 0 })).toBe(1024);
  });
});

describe('played episodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-played-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = syntheticActingRun();
  const { picture, ...facts } = run.played!;
  const write = (gif: Buffer | string, json: string) => {
    writeFileSync(join(folder, playedFiles.picture), gif);
    writeFileSync(join(folder, playedFiles.facts), json);
  };

  it('are read from the run folder', () => {
    writeRunFolder(run, folder);
    expect(readRun(folder).played).toBeUndefined();
    write(Buffer.from(picture, 'base64'), JSON.stringify(facts));
    expect(readRun(folder)).toEqual({ ...run, folder });
  });

  it('that are damaged are told and left out', () => {
    write('<svg onload="alert(1)">', JSON.stringify(facts));
    expect(readRun(folder)).toMatchObject({ problems: [expect.stringMatching(/not shown: .*is no GIF/)] });
    write(Buffer.from(picture, 'base64'), '{"episodes": []}');
    expect(readRun(folder).problems).toEqual([expect.stringMatching(/not shown: .*student-play\.json/)]);
    write(Buffer.from(picture, 'base64'), '{"episodes"');
    expect(readRun(folder).played).toBeUndefined();
  });
});
