// Prints the tables of docs/results/agent-learning.md from its seed files.
//
//   node tools/experiments/summarize-agent-learning.mjs docs/results/agent-learning
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { interval, mean, meanAndDeviation } from './statistics.mjs';

const folder = process.argv[2];
const runs = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));

console.log('| teacher | block 0 | block 1 | block 2 |');
console.log('| --- | --: | --: | --: |');
for (const m of [0, 1, 2]) {
  const cells = [0, 1, 2].map((b) => mean(runs.map(({ teacherAccuracy }) => teacherAccuracy[m][b])).toFixed(2));
  console.log(`| ${m} | ${cells.join(' | ')} |`);
}

console.log('\n| student | weight on the competent teacher [95 %] | test accuracy, % | minus equal, points [95 %] |');
console.log('| --- | --: | --: | --: |');
for (const name of Object.keys(runs[0].students)) {
  const students = runs.map(({ students: all }) => all[name]);
  const weight =
    students[0].competent === undefined
      ? ''
      : interval(
          students.map(({ competent }) => competent),
          2,
        );
  const accuracy = meanAndDeviation(
    students.map((student) => 100 * student.accuracy),
    1,
  );
  const gain = interval(
    runs.map(({ students: all }) => 100 * (all[name].accuracy - all.equal.accuracy)),
    1,
  );
  console.log(`| ${name} | ${weight} | ${accuracy} | ${name === 'equal' ? '' : gain} |`);
}
