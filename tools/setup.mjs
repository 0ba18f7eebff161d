// Installs the workspace when node_modules is missing or older than the lockfile, so that
// `npm test` and `npm run quickstart` work in a fresh clone.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

const installed = 'node_modules/.package-lock.json';
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync('package-lock.json').mtimeMs) {
  console.log('retort: installing dependencies (npm install)');
  // Not npm ci: it refuses a lockfile without entries for the optional packages of every other platform, and a registry mirror
  // may lack some of those.
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  process.exit(status ?? 1);
}
