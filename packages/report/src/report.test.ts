import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderGrid } from './grid-page.js';
import { summarizeGrid } from './grid-summary.js';
import { renderReport, writeReport } from './report.js';
import { syntheticActingRun } from './test-support/synthetic-acting-run.js';
import { syntheticActingGrid, syntheticGrid } from './test-support/synthetic-grid.js';
import { syntheticRun, writeRunFolder } from './test-support/synthetic-run.js';
import { syntheticTwoStageRun } from './test-support/synthetic-two-stage-run.js';

const hostile = '</script><script>alert("1")</script>';
const names = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

const pages = {
  'one run': renderReport([syntheticRun()]),
  'an interrupted run': renderReport([syntheticRun({ epochsDone: 7, end: 'interrupted' })]),
  'a run still going': renderReport([syntheticRun({ epochsDone: 1, end: 'none' })]),
  'one epoch': renderReport([syntheticRun({ epochs: 1 })]),
  'an empty log': renderReport([{ folder: 'runs/new', events: [], problems: [] }]),
  'a hundred classes, seven teachers': renderReport([
    syntheticRun({ classes: names(100, 'class '), teachers: names(7, 'teacher-'), epochs: 4 }),
  ]),
  'two stages': renderReport([syntheticTwoStageRun()]),
  'two stages, without labels': renderReport([syntheticTwoStageRun({ clusters: 60, labels: false })]),
  'two stages of which the second has not begun': renderReport([syntheticTwoStageRun({ epochsDone: 5, end: 'none' })]),
  'several runs': renderReport([
    syntheticRun({ name: 'a' }),
    syntheticRun({ name: 'b', seed: 2 }),
    syntheticRun({ name: hostile }),
  ]),
  'a run that acts': renderReport([syntheticActingRun()]),
  'a comparison of arms that act': renderGrid(summarizeGrid(syntheticActingGrid())),
  'a comparison of arms': renderGrid(summarizeGrid(syntheticGrid({ epochs: 12 }))),
  'a comparison that has just begun': renderGrid(
    summarizeGrid({ ...syntheticGrid(), results: syntheticGrid().results.slice(0, 1), failures: [] }),
  ),
};

describe.each(Object.entries(pages))('the report of %s', (_, page) => {
  it('fetches nothing', () => {
    // A picture inside the page is no other file.
    expect(page.replace(/src="data:image\/gif;base64,[\w+/=]*"/g, '')).not.toMatch(
      /https?:|\b(src|href)=|@import|url\(|<link|<iframe/i,
    );
  });

  it('has one script, which its policy names by digest', () => {
    const scripts = [...page.matchAll(/<script[^>]*>([^]*?)<\/script>/g)];
    expect(scripts).toHaveLength(1);
    const digest = createHash('sha256').update(scripts[0][1]).digest('base64');
    expect(page).toContain(`script-src &#39;sha256-${digest}&#39;`);
  });

  it('closes every element it opens', () => {
    const open: string[] = [];
    const text = page.replace(/<(script|style)>[^]*?<\/\1>/g, '');
    for (const [, closing, tag, self] of text.matchAll(/<(\/?)([a-z0-9]+)(?:\s+[a-zA-Z-]+="[^"]*")*\s*(\/?)>/g)) {
      if (['meta', 'hr', 'br', 'img'].includes(tag) || self) continue;
      if (closing) expect(open.pop()).toBe(tag);
      else open.push(tag);
    }
    expect(open).toEqual([]);
  });

  it('writes no NaN, undefined or infinity', () => {
    expect(page.replace(/<(script|style)>[^]*?<\/\1>/g, '')).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it('titles every drawing', () => {
    for (const [, attributes] of page.matchAll(/<svg([^>]*)>/g)) expect(attributes).toMatch(/aria-label=|aria-hidden=/);
  });
});

describe('renderReport', () => {
  it('gives the same text for the same run', () => {
    expect(renderReport([syntheticRun()])).toBe(pages['one run']);
  });

  it('shows the numbers of the end, the curves, the weights and the manifest', () => {
    const page = pages['one run'];
    const end = syntheticRun().events.at(-1)!;
    const best = end.type === 'run-end' ? (end.results.best['test/top-1'] as number) : NaN;
    expect(page).toContain(`<dd>${(best * 100).toFixed(2)}%</dd>`);
    for (const title of [
      'Top-1 accuracy',
      'Loss terms (log scale)',
      'Learning rate',
      'Images per second',
      'Calibration error',
      'Agreement with each teacher: same top-1 class (test, best)',
      'By class, test, best, without exploring',
      'Train accuracy',
      'Entropy',
      'Logit weights, fused',
      'Logit weights, generator',
      'Feature weights, generator',
      'Accuracy per class',
      'Most frequent confusions',
    ]) {
      expect(page).toContain(title);
    }
    expect(page).toContain('weighting: { use: agent, reward: gradient-alignment }');
    expect(page).toContain('automobile');
  });

  it('shows what the second stage was told to do and did, each thing once', () => {
    const page = pages['two stages'];
    const text = page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
    expect(text).toContain('Gradient score function: what was sampled becomes more or less probable by what it earned');
    expect(text).toContain('Algorithm ppo, baseline group, 4 decisions an image');
    expect(text).toContain('Rewards confidence 0.5, cluster-cosine 0.5');
    expect(text).toContain('Centers k-means, shuffled');
    expect(text).toContain('λ linear, 1 to 0.1');
    for (const title of ['Rewards', 'λ', 'Entropy of the predictions', 'Calibration error', 'Loss terms']) {
      expect(page.split(`<figcaption>${title}<`).length + page.split(`<figcaption>${title} (log`).length - 2).toBe(1);
    }
    expect(page).not.toContain('<figcaption>Stage');
    expect(page).not.toContain('<figcaption>Reward<');
    expect(page.indexOf('calibration error is 0.271')).toBeLessThan(page.indexOf('<h2>Training'));
    // Marked on every chart of the run.
    const charts = page.match(/<figure class="chart">/g)!.length;
    expect(page.match(/>stage 2<\/text>/g)).toHaveLength(charts);
  });

  it('marks no boundary where there is one stage, and no second one where none is', () => {
    const waiting = pages['two stages of which the second has not begun'];
    expect(waiting).not.toContain('>stage 2</text>');
    expect(waiting).toContain('Algorithm');
    expect(pages['one run']).not.toContain('Stage 2');
    expect(pages['one run']).not.toContain('Clusters');
  });

  it('escapes names, classes, teachers, warnings, paths and the manifest', () => {
    const run = syntheticRun({
      name: hostile,
      epochs: 2,
      teachers: [hostile, 'b'],
      classes: [hostile, 'b'],
      warnings: [hostile],
    });
    run.folder = hostile;
    run.problems = [`problem ${hostile}`];
    run.manifest += `# ${hostile}\n`;
    run.manifest = run.manifest!.replace(
      '  use: mtkd',
      `  stage2: { gradient: ${JSON.stringify(hostile)} }\n  use: mtkd`,
    );
    run.clusters = { points: [[0, 0]], cluster: [0], label: [0], centers: [[0, 0]], classes: [hostile] };
    for (const event of run.events) {
      if (event.type === 'step') event.values[hostile] = 1;
      if (event.type === 'evaluation') event.values[hostile] = 0.5;
      if (event.type === 'backend') event.name = event.reason = hostile;
    }
    for (const page of [renderReport([run]), renderReport([run, run])]) {
      expect(page.match(/<script/g)).toHaveLength(1);
      expect(page).not.toContain('alert("1")');
    }
  });

  it('numbers classes that have no names', () => {
    const run = syntheticRun({ epochs: 1, classes: names(3, 'n') });
    for (const event of run.events) if (event.type === 'run-start') event.classes = [];
    expect(renderReport([run])).toMatch(/<th scope="row">2<\/th>/);
  });

  it('says where values were not finite', () => {
    const run = syntheticRun({ epochs: 2 });
    for (const event of run.events) {
      if (event.type === 'step' && event.epoch === 1) event.values['loss/task'] = NaN;
      if (event.type === 'evaluation' && event.split === 'test') event.values['calibration-error'] = NaN;
      if (event.type === 'run-end') event.results.last['test/calibration-error'] = NaN;
    }
    const page = renderReport([{ ...run, events: JSON.parse(JSON.stringify(run.events)) }]);
    expect(page).toContain('×</text>');
    expect(page).toContain('not finite');
  });

  it('draws loss terms together, by the name of the log or the id of the manifest', () => {
    const legend = (page: string) => {
      const figure = page.slice(page.indexOf('<figcaption>Loss terms'));
      return [...figure.slice(0, figure.indexOf('</figure>')).matchAll(/<\/svg>([^<]*) <b>/g)].map((match) => match[1]);
    };
    expect(legend(pages['one run'])).toEqual(['task', 'kd', 'hint']);
    const run = syntheticRun({ epochs: 1 });
    for (const event of run.events) if (event.type === 'step') event.values = { total: 2, 'kd/r20': 1, other: 3 };
    expect(legend(renderReport([run]))).toEqual(['total', 'kd/r20']);
  });

  it('compares runs with the first in points', () => {
    const runs = [0.7, 0.75].map((value, i) => {
      const run = syntheticRun({ name: `run${i}`, epochs: 2 });
      for (const event of run.events) if (event.type === 'run-end') event.results.last['test/top-1'] = value;
      return run;
    });
    const page = renderReport(runs);
    expect(page).toContain('<td class="number">75.00%</td><td class="number">+5.00</td>');
    expect(page.match(/<details class="run">/g)).toHaveLength(2);
  });
});

describe('writeReport', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retort-report-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('writes the file whole and gives its name back', () => {
    const run = join(folder, 'run');
    mkdirSync(run);
    writeRunFolder(syntheticRun({ epochs: 1 }), run);
    const file = join(run, 'report.html');
    expect(writeReport([run], file)).toBe(file);
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>[^]*<\/html>\n$/);
    expect(readdirSync(run).sort()).toEqual(['manifest.lock.yaml', 'metrics.jsonl', 'report.html']);
  });

  it('draws the clusters of a run', () => {
    const run = join(folder, 'clusters');
    const made = syntheticTwoStageRun({ epochs: 2 });
    writeRunFolder(made, run);
    writeFileSync(join(run, 'clusters-plot.json'), JSON.stringify(made.clusters));
    const page = readFileSync(writeReport([run], join(run, 'report.html')), 'utf8');
    expect(page).toContain('<h2>Clusters</h2>');
    writeFileSync(join(run, 'clusters-plot.json'), '{"points": [[0, 1]');
    const without = readFileSync(writeReport([run], join(run, 'report.html')), 'utf8');
    expect(without).not.toContain('<h2>Clusters</h2>');
    expect(without).toContain('the clusters are not drawn');
  });
});
