import { describeWholeRun } from './test-support/whole-run.js';

describeWholeRun('cpu');
