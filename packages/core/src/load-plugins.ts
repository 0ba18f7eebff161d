import { resolve as resolveSpecifier } from 'import-meta-resolve';
import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { InputError, messageOf } from './errors.js';
import type { Plugin, Registry } from './registry.js';

/**
 * Imports the plugins a manifest names and registers their parts.
 *
 * @param names packages, or files relative to `baseFolder`; each exports `plugin`
 * @param where `file:line` of the plugin at a place in `names`, for errors
 * @throws InputError naming the plugin that is missing, throws, exports none or claims a taken name
 */
export async function loadPlugins(
  names: readonly string[],
  baseFolder: string,
  registry: Registry,
  where: (index: number) => string | undefined = () => undefined,
): Promise<void> {
  for (const [index, name] of names.entries()) {
    const place = where(index);
    const module = await importPlugin(name, baseFolder, place);
    if (typeof module.plugin?.register !== 'function') {
      throw new InputError(`plugin "${name}" exports no plugin`, {
        hints: ["export const plugin = definePlugin({ name: '…', register(registry) { … } })"],
        where: place,
      });
    }
    try {
      registry.use(module.plugin);
    } catch (error) {
      throw error instanceof InputError
        ? new InputError(error.message, { hints: error.hints, where: error.where ?? place, cause: error })
        : error;
    }
  }
}

async function importPlugin(name: string, baseFolder: string, where: string | undefined): Promise<{ plugin?: Plugin }> {
  let url: string | undefined;
  try {
    url = locate(name, baseFolder);
    return (await import(url)) as { plugin?: Plugin };
  } catch (error) {
    // A plugin that is there and lacks a dependency fails with the same code as one that is not.
    if (!url || !existsSync(fileURLToPath(url))) {
      const isFile = isPath(name);
      throw new InputError(
        isFile
          ? `plugin "${name}": no such file: ${resolve(baseFolder, name)}`
          : `plugin "${name}" is not installed where ${baseFolder} could find it`,
        {
          hints: [isFile ? 'the path is relative to the manifest' : `install it: npm install ${name}`],
          where,
          cause: error,
        },
      );
    }
    throw new InputError(`plugin "${name}" failed to load: ${messageOf(error)}`, { where, cause: error });
  }
}

function locate(name: string, baseFolder: string): string {
  if (isPath(name)) return pathToFileURL(resolve(baseFolder, name)).href;
  return resolveSpecifier(name, pathToFileURL(join(baseFolder, 'manifest.yaml')).href);
}

function isPath(name: string): boolean {
  return name.startsWith('.') || isAbsolute(name);
}
