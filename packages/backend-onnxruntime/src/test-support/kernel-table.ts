import * as tf from '@tensorflow/tfjs';
import { kernels } from '../kernels/index.js';

/** docs/backend-onnxruntime-kernels.md: every kernel that tfjs has a name for, and those of ours. */
export function kernelTable(): string {
  const recorded = new Map(kernels.map((each) => [each.name, each]));
  const onCpu = new Set(tf.getKernelsForBackend('cpu').map(({ kernelName }) => kernelName));
  const names = [...new Set([...tfjsNames(), ...onCpu, ...recorded.keys()])].sort((a, b) =>
    plain(a).localeCompare(plain(b), 'en'),
  );
  const rows = names.map((name): [string, string, string] => {
    const known = recorded.get(name);
    if (known) return [`\`${name}\``, 'graph', [known.anyTensor ? '' : usual, known.except].filter(Boolean).join(', ')];
    return [`\`${name}\``, onCpu.has(name) ? 'cpu' : 'none', ''];
  });
  const count = (state: string) => rows.filter((row) => row[1] === state).length;
  return [
    '# Kernels of the onnxruntime backend',
    '',
    '<!-- Written by `npm run generate-kernel-table` in packages/backend-onnxruntime; a test compares. -->',
    '',
    `Of ${rows.length} kernels, ${count('graph')} are recorded into graphs, ${count('cpu')} run on tfjs's cpu kernels, and ${count('none')} exist on neither.`,
    '',
    '- **graph**: recorded as ONNX nodes. The third column says for which inputs the cpu kernel answers instead.',
    "- **cpu**: what is recorded runs, then tfjs's cpu kernel. `statistics().fallbacks` counts these by name.",
    '- **none**: no kernel here. tfjs has the name but no kernel on cpu either, and makes the operation of others; the exception is',
    '  `FromPixels`, which needs a browser.',
    '',
    ...table([['Kernel', 'Runs as', 'On cpu for'], ...rows]),
    '',
  ].join('\n');
}

const usual = 'strings, complex numbers, empty tensors';

/** Constants such as `Abs = 'Abs'`; the other texts that tfjs exports are versions and suffixes. */
function tfjsNames(): string[] {
  return Object.entries(tf).flatMap(([key, value]) => (key === value ? [key] : []));
}

function plain(name: string): string {
  return name.replace(/^_/, '');
}

/** Lines of a table, aligned as prettier does. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const [head, ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)];
}
