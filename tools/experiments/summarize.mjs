// Prints the table of a grid that tools/experiments/run-grid.mjs ran, as Markdown: mean ± deviation over seeds, and paired
// differences with 95 % intervals (Student's t).
//
//   node tools/experiments/summarize.mjs docs/results/cifar10-mtkd
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import jstat from 'jstat';
import { parse } from 'yaml';

const folder = process.argv[2];
const { arms, seeds } = parse(readFileSync(join(folder, 'protocol.yaml'), 'utf8'));
const runs = readdirSync(join(folder, 'runs')).map((name) =>
  JSON.parse(readFileSync(join(folder, 'runs', name), 'utf8')),
);
const find = (arm, seed) => runs.find((run) => run.arm === arm && run.seed === seed);
const accuracy = (run, student) => 100 * run[student]['test/top-1'];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));
const spread = (values) =>
  values.length > 1 ? `${mean(values).toFixed(2)} ± ${deviation(values).toFixed(2)}` : mean(values).toFixed(2);

console.log('| weighting | n | last epoch, top-1 % | best on validation, top-1 % | seconds |');
console.log('| --- | --: | --: | --: | --: |');
for (const arm of Object.keys(arms)) {
  const done = seeds.map((seed) => find(arm, seed)).filter(Boolean);
  if (done.length === 0) continue;
  const [last, best] = ['last', 'best'].map((student) => spread(done.map((run) => accuracy(run, student))));
  console.log(
    `| ${arm} | ${done.length} | ${last} | ${best} | ${mean(done.map(({ seconds }) => seconds)).toFixed(0)} |`,
  );
}

console.log('\n| paired difference, points | n | last epoch | best on validation |');
console.log('| --- | --: | --: | --: |');
const names = Object.keys(arms);
for (const [i, arm] of names.entries()) {
  for (const other of names.slice(0, i)) {
    const pairs = seeds.filter((seed) => find(arm, seed) && find(other, seed));
    if (pairs.length < 2) continue;
    const half = jstat.studentt.inv(0.975, pairs.length - 1) / Math.sqrt(pairs.length);
    const cells = ['last', 'best'].map((student) => {
      const differences = pairs.map(
        (seed) => accuracy(find(arm, seed), student) - accuracy(find(other, seed), student),
      );
      const [center, width] = [mean(differences), half * deviation(differences)];
      return `${center.toFixed(2)} [${(center - width).toFixed(2)}, ${(center + width).toFixed(2)}]`;
    });
    console.log(`| ${arm} − ${other} | ${pairs.length} | ${cells.join(' | ')} |`);
  }
}
