// Prints the table of a grid that tools/experiments/run-grid.mjs ran, as Markdown: mean ± deviation over seeds, and paired
// differences with 95 % intervals (Student's t).
//
//   node tools/experiments/summarize.mjs docs/results/cifar10-mtkd
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { interval, meanAndDeviation } from './statistics.mjs';

const folder = process.argv[2];
const { arms, seeds } = parse(readFileSync(join(folder, 'protocol.yaml'), 'utf8'));
const runs = readdirSync(join(folder, 'runs')).map((name) =>
  JSON.parse(readFileSync(join(folder, 'runs', name), 'utf8')),
);
const find = (arm, seed) => runs.find((run) => run.arm === arm && run.seed === seed);
const accuracy = (run, student) => 100 * run[student]['test/top-1'];

console.log('| weighting | n | last epoch, top-1 % | best on validation, top-1 % |');
console.log('| --- | --: | --: | --: |');
for (const arm of Object.keys(arms)) {
  const done = seeds.map((seed) => find(arm, seed)).filter(Boolean);
  if (done.length === 0) continue;
  const [last, best] = ['last', 'best'].map((student) =>
    meanAndDeviation(
      done.map((run) => accuracy(run, student)),
      2,
    ),
  );
  console.log(`| ${arm} | ${done.length} | ${last} | ${best} |`);
}

console.log('\n| paired difference, points | n | last epoch | best on validation |');
console.log('| --- | --: | --: | --: |');
const names = Object.keys(arms);
for (const [i, arm] of names.entries()) {
  for (const other of names.slice(0, i)) {
    const pairs = seeds.filter((seed) => find(arm, seed) && find(other, seed));
    if (pairs.length < 2) continue;
    const cells = ['last', 'best'].map((student) =>
      interval(
        pairs.map((seed) => accuracy(find(arm, seed), student) - accuracy(find(other, seed), student)),
        2,
      ),
    );
    console.log(`| ${arm} − ${other} | ${pairs.length} | ${cells.join(' | ')} |`);
  }
}
