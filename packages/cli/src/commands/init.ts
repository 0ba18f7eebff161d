import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, RunError } from '@retort/core';
import { shipped } from '../shipped.js';
import type { Terminal } from '../terminal.js';
import { table } from '../text.js';

const files = [
  { from: 'manifests/starter/teacher.yaml', to: 'teacher.yaml', what: 'trains a teacher' },
  { from: 'manifests/starter/manifest.yaml', to: 'manifest.yaml', what: 'distills a student from two of them' },
  {
    from: 'manifests/starter/two-stages.yaml',
    to: 'two-stages.yaml',
    what: 'distills one from the first in two stages, the second with rewards (KDRL)',
  },
  {
    from: 'manifests/starter/policy.yaml',
    to: 'policy.yaml',
    what: 'trains a policy by acting in an environment (PPO)',
  },
  { from: 'manifest.schema.json', to: 'manifest.schema.json', what: 'for completion in editors' },
];

export async function init(folder: string, terminal: Terminal): Promise<number> {
  const rows: string[][] = [];
  try {
    mkdirSync(folder, { recursive: true });
    for (const { from, to, what } of files) {
      const target = join(folder, to);
      const isThere = existsSync(target);
      if (!isThere) copyFileSync(shipped(from), target);
      rows.push([target, isThere ? 'is there already, left alone' : what]);
    }
  } catch (error) {
    throw new RunError(`cannot write to ${folder}: ${messageOf(error)}`, { cause: error });
  }
  terminal.print(terminal.json ? JSON.stringify(rows.map(([file]) => file)) : table([], rows));
  terminal.note(
    [
      '\nNext:',
      ...(folder === '.' ? [] : [`  cd ${folder}`]),
      '  retort train teacher.yaml',
      '  retort train teacher.yaml --set name=teacher-2 --set seed=2',
      '  retort train manifest.yaml',
      '  retort train two-stages.yaml',
      '  retort train policy.yaml',
    ].join('\n'),
  );
  return 0;
}
