import { join } from 'node:path';
import { runCommand } from './command.mjs';

/**
 * What must hold for a tarball before it is published: its entry points resolve, with types, for whoever imports it as an ES
 * module; it carries license and README, and none of our tests.
 *
 * @param {string} root of the workspace
 * @param {{ name: string, tarball: string, files: string[] }[]} packed
 * @param {(name: string, body: () => Promise<void>) => Promise<void>} check
 */
export async function checkPackaging(root, packed, check) {
  const binary = (name) => join(root, 'node_modules', '.bin', name);
  for (const { name, tarball, files } of packed) {
    await check(`${name}: files`, async () => {
      const missing = ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts'].filter(
        (file) => !files.includes(file),
      );
      const excess = files.filter((file) => /\.(full-)?test\.|test-support|\.tsbuildinfo$/.test(file));
      if (missing.length > 0) throw new Error(`not in the tarball: ${missing.join(', ')}`);
      if (excess.length > 0) throw new Error(`has no place in the tarball: ${excess.join(', ')}`);
    });
    await check(`${name}: publint`, async () => void (await runCommand(binary('publint'), [tarball, '--strict'])));
    await check(
      `${name}: types`,
      async () => void (await runCommand(binary('attw'), [tarball, '--profile', 'esm-only', '--no-emoji'])),
    );
  }
}
