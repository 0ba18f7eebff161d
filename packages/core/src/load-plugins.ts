import { resolve as resolveSpecifier } from 'import-meta-resolve';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError, messageOf } from './errors.js';
import type { Plugin, Registry } from './registry.js';

/**
 * Imports the plugins a manifest names and registers their parts.
 *
 * @param names packages, or files relative to `baseFolder`; each exports `plugin`
 * @throws InputError naming the plugin that is missing, throws, exports none or claims a taken name
 */
export async function loadPlugins(names: readonly string[], baseFolder: string, registry: Registry): Promise<void> {
  for (const name of names) {
    let module: { plugin?: Plugin };
    try {
      module = (await import(locate(name, baseFolder))) as { plugin?: Plugin };
    } catch (error) {
      if (['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        throw new InputError(`plugin "${name}" was not found from ${baseFolder}: ${messageOf(error).split('\n')[0]}`, {
          hints: [name.startsWith('.') ? 'the path is relative to the manifest' : `install it: npm install ${name}`],
          cause: error,
        });
      }
      throw new InputError(`plugin "${name}" failed to load: ${messageOf(error)}`, { cause: error });
    }
    if (typeof module.plugin?.register !== 'function') {
      throw new InputError(`plugin "${name}" exports no plugin`, {
        hints: ["export const plugin = definePlugin({ name: '…', register(registry) { … } })"],
      });
    }
    registry.use(module.plugin);
  }
}

function locate(name: string, baseFolder: string): string {
  if (name.startsWith('.') || name.startsWith('/')) return pathToFileURL(resolve(baseFolder, name)).href;
  return resolveSpecifier(name, pathToFileURL(join(baseFolder, 'manifest.yaml')).href);
}
