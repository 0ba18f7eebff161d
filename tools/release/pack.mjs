import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.mjs';

/**
 * Packs every package as it would be published.
 *
 * @param {string} root of the workspace, built
 * @param {string} folder that the tarballs go to
 * @returns {Promise<{ name: string, tarball: string, files: string[] }[]>}
 */
export async function packAll(root, folder) {
  const names = readdirSync(join(root, 'packages')).map(
    (name) => JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')).name,
  );
  const workspaces = names.flatMap((name) => ['--workspace', name]);
  const { stdout } = await runCommand('npm', ['pack', '--json', '--pack-destination', folder, ...workspaces], {
    cwd: root,
  });
  return JSON.parse(stdout).map(({ name, filename, files }) => ({
    name,
    tarball: join(folder, filename),
    files: files.map(({ path }) => path),
  }));
}
