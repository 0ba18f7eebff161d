// Learning curves of a comparison at given environment steps: interquartile means with bootstrap intervals, paired differences to a
// baseline, and the steps until a return is reached on validation.
//   node tools/experiments/learning-curves.mjs FOLDER --at 8192,65536 [--mark=-100] [--baseline ARM]
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeScores, mean, meanInterval } from '@retort/report';

const {
  positionals: [folder],
  values: { at, mark, baseline },
} = parseArgs({
  allowPositionals: true,
  options: { at: { type: 'string' }, mark: { type: 'string' }, baseline: { type: 'string' } },
});

const arms = new Map();
for (const file of readdirSync(join(folder, 'runs')).filter((name) => name.endsWith('.json'))) {
  const { arm, seed, seen, validation } = JSON.parse(readFileSync(join(folder, 'runs', file), 'utf8'));
  if (!seen) throw new Error(`${file} tells no environment steps`);
  const curve = validation.epoch.map((_, i) => ({ steps: seen.counts[i], value: validation.return[i] }));
  arms.set(arm, new Map([...(arms.get(arm) ?? []), [seed, curve]]));
}
const number = (value) => (value === undefined ? '' : String(Number(value.toPrecision(4))));
const range = ([low, high]) => `[${number(low)}, ${number(high)}]`;
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);

const points = (at ?? '').split(',').filter(Boolean).map(Number);
row(['arm', 'seeds', ...points.map((steps) => `after ${steps}`), ...(mark ? [`steps to ${mark}`] : [])]);
row(['---', '--:', ...points.map(() => '--:'), ...(mark ? ['--:'] : [])]);
/** By arm and column: values by seed. */
const table = new Map();
for (const [arm, curves] of arms) {
  const columns = points.map((steps) => valuesAt(curves, steps));
  if (mark) {
    const reached = [...curves].flatMap(([seed, curve]) => {
      const first = curve.find(({ value }) => value >= Number(mark));
      return first ? [[seed, first.steps]] : [];
    });
    columns.push(new Map(reached));
  }
  table.set(arm, columns);
  row([arm, curves.size, ...columns.map((values, i) => told(values, i >= points.length ? curves.size : 0))]);
}
if (baseline) {
  console.log('');
  row(['difference', ...points.map((steps) => `after ${steps}`), ...(mark ? [`steps to ${mark}`] : [])]);
  row(['---', ...points.map(() => '--:'), ...(mark ? ['--:'] : [])]);
  for (const [arm, columns] of table) {
    if (arm === baseline) continue;
    const cells = columns.map((values, i) => {
      const its = table.get(baseline)[i];
      const pairs = [...values].flatMap(([seed, value]) => (its.has(seed) ? [value - its.get(seed)] : []));
      return pairs.length > 1 ? `${number(mean(pairs))} ${range(meanInterval(pairs))}, ${pairs.length} pairs` : '';
    });
    row([`${arm} − ${baseline}`, ...cells]);
  }
}

/** What was measured at so many environment steps, or at the first look after them. */
function valuesAt(curves, steps) {
  return new Map(
    [...curves].flatMap(([seed, curve]) => {
      const point = curve.find((one) => one.steps >= steps);
      return point ? [[seed, point.value]] : [];
    }),
  );
}

function told(values, of) {
  if (values.size === 0) return of ? `0 of ${of}` : '';
  const { value, interval } = describeScores([[...values.values()]]);
  return `${number(value)}${interval ? ` ${range(interval)}` : ''}${of && values.size < of ? `, ${values.size} of ${of}` : ''}`;
}
