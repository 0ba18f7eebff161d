import { describeWholeRun } from './test-support/whole-run.js';

// On cpu, where a step takes seconds: backends.full-test.ts.
for (const backend of ['wasm', 'onnxruntime'] as const) describeWholeRun(backend);
