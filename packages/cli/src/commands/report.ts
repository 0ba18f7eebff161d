import { join } from 'node:path';
import { writeReport } from '@retort/report';
import type { Terminal } from '../terminal.js';

export async function report(folders: string[], { output }: { output?: string }, terminal: Terminal): Promise<number> {
  const file = output ?? (folders.length === 1 ? join(folders[0], 'report.html') : 'report.html');
  writeReport(folders, file);
  terminal.print(terminal.json ? JSON.stringify({ report: file }) : file);
  return 0;
}
