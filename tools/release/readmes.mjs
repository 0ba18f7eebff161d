import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.mjs';

/**
 * Runs the JavaScript that the READMEs print, as somebody would who copies it.
 *
 * @param {string} root of the workspace
 * @param {string} folder with the tarballs installed, where the quickstart has been run
 * @param {(name: string, body: () => Promise<void>) => Promise<void>} check
 */
export async function checkReadmes(root, folder, check) {
  for (const name of readdirSync(join(root, 'packages'))) {
    const file = join(root, 'packages', name, 'README.md');
    // One that is missing is told where the tarballs are checked.
    if (!existsSync(file)) continue;
    const cwd = join(folder, `readme-${name}`);
    mkdirSync(cwd, { recursive: true });
    for (const [i, code] of blocks(readFileSync(file, 'utf8'), 'js').entries()) {
      await check(`packages/${name}/README.md: lines of JavaScript, ${i + 1}`, () =>
        runBlock(cwd, `block-${i}.js`, code),
      );
    }
  }
  await check('README.md: manifest, plugin and code', async () => {
    const text = readFileSync(join(root, 'README.md'), 'utf8');
    const [manifest] = blocks(text, 'yaml');
    const [code, plugin] = blocks(text, 'js');
    writeFileSync(join(folder, 'brier.js'), plugin);
    // The plugin's lines say what to change in the manifest.
    const changed = manifest.replace('use: cross-entropy', 'use: brier');
    writeFileSync(join(folder, 'first.yaml'), `plugins: [./brier.js]\n${changed}`);
    await runBlock(folder, 'first.js', code);
  });
}

/** What stands in the fenced blocks of a language. */
function blocks(text, language) {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code);
}

async function runBlock(cwd, file, code) {
  writeFileSync(join(cwd, file), code);
  await runCommand(process.execPath, [file], { cwd });
}
