import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RetortOptions {
  cwd: string;
  env?: Record<string, string>;
  /** Sent once when stderr first matches. */
  interrupt?: { when: RegExp; signal: NodeJS.Signals };
  /** The command's script, if not the one that was built here. */
  main?: string;
}

const built = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Runs the built command as a user would. */
export function retort(args: string[], { cwd, env = {}, interrupt, main = built }: RetortOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, ...env } });
    const ended: Ended = { code: null, stdout: '', stderr: '' };
    let sent = false;
    child.stdout.on('data', (text: Buffer) => (ended.stdout += text.toString()));
    child.stderr.on('data', (text: Buffer) => {
      ended.stderr += text.toString();
      if (interrupt && !sent && interrupt.when.test(ended.stderr)) sent = child.kill(interrupt.signal);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...ended, code }));
  });
}
