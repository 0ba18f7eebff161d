// Prints the tables of docs/rewards.md from the result files, and draws its figure beside them.
//
//   node tools/experiments/summarize-reward-toy.mjs docs/results/reward-toy
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviation, interval, mean, meanAndDeviation } from './statistics.mjs';

const folder = process.argv[2];
const files = readdirSync(join(folder, 'runs')).sort();
const runs = files.map((name) => JSON.parse(readFileSync(join(folder, 'runs', name), 'utf8')));
const names = Object.keys(runs[0].students);
const arms = names.filter((name) => 'competent' in runs[0].students[name]);
const roles = ['competent', 'poisoned', 'ignorant'];
const values = (name, key) => runs.map(({ students }) => students[name][key]);

console.log(`n = ${runs.length} seeds\n`);
console.log('| teacher | block 0 | block 1 | block 2 |');
console.log('| --- | --: | --: | --: |');
for (const m of [0, 1, 2]) {
  const cells = [0, 1, 2].map((b) =>
    meanAndDeviation(
      runs.map(({ teacherAccuracy }) => teacherAccuracy[m][b]),
      2,
    ),
  );
  console.log(`| ${m} | ${cells.join(' | ')} |`);
}
console.log(
  '\n| student | on the competent | on the poisoned | on the ignorant | test accuracy, % | minus equal, points [95 %] |',
);
console.log('| --- | --: | --: | --: | --: | --: |');
for (const name of names) {
  const cells = arms.includes(name) ? roles.map((role) => meanAndDeviation(values(name, role), 2)) : ['', '', ''];
  const accuracy = values(name, 'accuracy').map((value) => 100 * value);
  const gains = runs.map(({ students }) => 100 * (students[name].accuracy - students.equal.accuracy));
  const gain = name === 'equal' ? '' : interval(gains, 1);
  console.log(`| ${name} | ${cells.join(' | ')} | ${meanAndDeviation(accuracy, 1)} | ${gain} |`);
}
writeFileSync(join(folder, 'weights.svg'), figure());

/** A bar for each arm and role, with a line of a deviation to both sides, and chance. */
function figure() {
  const [left, top, width, row, bar] = [250, 40, 420, 62, 14];
  const colors = { competent: '#2f7d4f', poisoned: '#b5453a', ignorant: '#8a8f98' };
  const height = top + arms.length * row + 40;
  const x = (value) => left + value * width;
  const parts = arms.flatMap((name, i) => {
    const y = top + i * row;
    return [
      `<text x="${left - 10}" y="${y + 1.8 * bar}" text-anchor="end">${name}</text>`,
      ...roles.flatMap((role, k) => {
        const [center, half] = [mean(values(name, role)), deviation(values(name, role)) || 0];
        const [from, to] = [Math.max(0, center - half), Math.min(1, center + half)];
        const middle = y + k * (bar + 2) + bar / 2;
        return [
          `<rect x="${left}" y="${y + k * (bar + 2)}" width="${(center * width).toFixed(1)}" height="${bar}" fill="${colors[role]}"/>`,
          `<line x1="${x(from).toFixed(1)}" x2="${x(to).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#222" stroke-width="1.5"/>`,
        ];
      }),
    ];
  });
  const axis = [0, 0.25, 0.5, 0.75, 1].map(
    (value) => `<text x="${x(value)}" y="${height - 14}" text-anchor="middle">${value}</text>`,
  );
  const legend = roles.map(
    (role, k) =>
      `<rect x="${left + 140 * k}" y="10" width="12" height="12" fill="${colors[role]}"/><text x="${left + 140 * k + 18}" y="21">${role}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 30} ${height}" font-family="sans-serif" font-size="13" role="img">
<title>Mean weight of the generator by what the teacher knows of the sample's class; lines are a standard deviation over ${runs.length} seeds</title>
<rect width="100%" height="100%" fill="#fff"/>
${[...legend, ...parts, ...axis].join('\n')}
<line x1="${x(1 / 3).toFixed(1)}" x2="${x(1 / 3).toFixed(1)}" y1="${top - 6}" y2="${height - 32}" stroke="#222" stroke-dasharray="4 4"/>
</svg>
`;
}
