import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { buffer } from 'node:stream/consumers';
import * as tf from '@tensorflow/tfjs';
import ts from 'typescript';
import { outputTensors, type Student } from '@retort/core';
import { forward, saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { cifarResnet } from './cifar-resnet.js';
import { clip } from './clip.js';
import { deit } from './deit.js';
import { smallCnn } from './small-cnn.js';
import { studentContext } from './test-support/student-context.js';

/** tfjs as a page gets it from a script tag. */
const tfjsForBrowsers = createRequire(import.meta.url).resolve('@tensorflow/tfjs/dist/tf.min.js');

const [batch, size] = [4, 32];
const text = {
  tokenizer: { vocabularySize: 20, contextLength: 5, endToken: 19, fingerprint: '', encode: () => null as never },
  prompts: [],
};
/** A text for every image, of ids below 20; 19 closes it. */
const ids = [0, 3, 7, 19, 19, 0, 19, 0, 0, 0, 0, 1, 2, 3, 19, 0, 5, 5, 19, 5];
const pixels = Float32Array.from({ length: batch * size * size * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i * 0.7));

/** Nothing of ours in it but the import that a saved student names: a script tag and `tf.loadLayersModel`. */
const pageWith = (imports: string | undefined) => `<!doctype html>
<script src="/tf.min.js"></script>
<script type="importmap">{ "imports": { "@tensorflow/tfjs": "/tfjs.js", "@retort/models/layers": "/src/layers.js" } }</script>
<script type="module">
  (async () => {
    ${imports === undefined ? '' : `await import('${imports}');`}
    await tf.setBackend('cpu');
    const model = await tf.loadLayersModel(location.search.slice(1) + '/model.json');
    const pixels = new Float32Array(await (await fetch('/pixels')).arrayBuffer());
    const image = tf.tensor4d(pixels, [${batch}, ${size}, ${size}, 3]);
    const tokens = tf.tensor2d([${ids}], [${batch}, ${ids.length / batch}], 'int32');
    const outputs = model.predict(model.inputs.length === 2 ? [image, tokens] : image);
    return { outputs: await Promise.all(outputs.map(async (output) => Array.from(await output.data()))) };
  })()
    .catch((error) => ({ error: String(error) }))
    .then((result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) }));
</script>`;

/** The global of the script tag, as the module that our layers import. */
const names = Object.keys(tf).filter((name) => /^\w+$/.test(name) && name !== 'default');
const tfjsModule = `export const { ${names.join(', ')} } = globalThis.tf;`;

interface PageResult {
  outputs?: number[][];
  error?: string;
}

describeEachBackend('a saved student, in a browser and', () => {
  let folder: string;
  let server: Server;
  let imports: string | undefined;
  let report: (result: PageResult) => void;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url!, 'http://127.0.0.1');
    if (pathname === '/result') {
      response.end();
      report(JSON.parse((await buffer(request)).toString()) as PageResult);
    } else if (pathname === '/') response.setHeader('content-type', 'text/html').end(pageWith(imports));
    else if (pathname === '/tfjs.js') response.setHeader('content-type', 'text/javascript').end(tfjsModule);
    else if (pathname.startsWith('/src/'))
      response.setHeader('content-type', 'text/javascript').end(moduleOf(normalize(pathname)));
    else if (pathname === '/pixels') response.end(Buffer.from(pixels.buffer));
    else if (pathname === '/tf.min.js')
      response.setHeader('content-type', 'text/javascript').end(readFileSync(tfjsForBrowsers));
    else if (/\/(model\.json|weights\.bin)$/.test(pathname))
      response.end(readFileSync(join(folder, normalize(pathname))));
    else response.writeHead(404).end();
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'retort-browser-'));
    server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['cifar-resnet', cifarResnet, { depth: 8 }],
    ['small-cnn', smallCnn, { width: 6 }],
    ['deit', deit, { width: 24, depth: 2, patchSize: 8 }],
    ['clip', clip, { width: 24, depth: 2, textWidth: 12, textDepth: 1, boxHead: true }],
  ])('%s gives the same outputs in headless Chromium', async (name, part, options) => {
    const student = (await part.create(part.options.parse(options) as never, studentContext({ text }))) as Student;
    const inputs = {
      image: tf.tensor4d(pixels, [batch, size, size, 3]),
      tokens: tf.tensor2d(ids, [batch, ids.length / batch], 'int32'),
    };
    // Moves the averages of batch norm away from where they start.
    for (let i = 0; i < 3; i++) tf.tidy(() => void forward(student, inputs, { training: true }));
    const expected = outputTensors(forward(student, inputs, { training: false }));
    await saveLayersModel(student.model, join(folder, name));
    imports = student.imports;
    const { outputs, error } = await open(`/?${name}`);
    expect(error).toBeUndefined();
    expect(outputs!.length).toBe(expected.length);
    for (const [i, output] of outputs!.entries())
      await expectClose(output, expected[i], { absolute: 1e-4, relative: 0 });
    student.model.dispose();
  });

  /** Opens a page of the server and waits for what it reports. */
  async function open(path: string): Promise<PageResult> {
    const reported = new Promise<PageResult>((resolve) => (report = resolve));
    const browser = spawn(
      process.env.CHROMIUM ?? 'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        `--user-data-dir=${join(folder, 'profile')}`,
        // Stays open until it is told to go.
        '--remote-debugging-port=0',
        `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    );
    let said = '';
    browser.stderr.on('data', (chunk) => (said += String(chunk)));
    try {
      return await Promise.race([reported, failure(browser, () => said)]);
    } finally {
      if (browser.exitCode === null && browser.pid !== undefined) {
        const exited = once(browser, 'exit');
        process.kill(-browser.pid, 'SIGKILL');
        await exited;
      }
    }
  }
});

/** Rejects when the browser cannot be started, ends by itself or says nothing for two minutes. */
function failure(browser: ChildProcess, said: () => string): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (why: string) => reject(new Error(`chromium ${why}: ${said().slice(-2000)}`));
    browser.on('error', (error) => fail(`could not be started (${error.message}); set CHROMIUM to its path`));
    browser.on('exit', (code) => fail(`ended with ${code} before the page reported`));
    setTimeout(() => fail('gave no result within 120 s'), 120_000).unref();
  });
}

/** A source file of this package as a browser reads it. */
function moduleOf(pathname: string): string {
  const file = new URL(`..${pathname.replace(/\.js$/, '.ts')}`, import.meta.url);
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 },
  });
  return outputText;
}
