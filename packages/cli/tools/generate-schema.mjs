// Writes manifest.schema.json from the parts that come with Retort: npm run generate-schema, after a build.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const { status } = spawnSync(process.execPath, ['dist/main.js', 'schema', '-o', 'manifest.schema.json'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: 'inherit',
});
process.exit(status ?? 1);
