import { spawn } from 'node:child_process';

/**
 * Runs a command quietly, in a process group of its own so that nothing of it outlives its time.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, seconds?: number, anyStatus?: boolean }} options
 * @returns {Promise<{ status: number | null, stdout: string, stderr: string }>}
 * @throws Error with the end of what it printed when its status is not 0, unless `anyStatus`
 */
export function runCommand(command, args, { cwd, env = process.env, seconds = 600, anyStatus = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const printed = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'])
      child[stream].setEncoding('utf8').on('data', (text) => (printed[stream] += text));
    let late = false;
    const stop = () => process.kill(-child.pid, 'SIGKILL');
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, seconds * 1000);
    process.once('exit', stop);
    const end = () => {
      clearTimeout(timer);
      process.off('exit', stop);
    };
    child.on('error', (error) => {
      end();
      reject(new Error(`${command} could not be started: ${error.message}`));
    });
    child.on('close', (status) => {
      end();
      if (status === 0 || (anyStatus && !late)) return resolve({ status, ...printed });
      const how = late ? `took longer than ${seconds} s` : `ended with ${status}`;
      const tail = `${printed.stdout}\n${printed.stderr}`.trim().split('\n').slice(-40).join('\n');
      reject(new Error(`${[command, ...args].join(' ')} ${how}\n${tail}`));
    });
  });
}
