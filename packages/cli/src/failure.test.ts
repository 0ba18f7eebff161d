import { InputError, RunError } from '@retort/core';
import { describeFailure } from './failure.js';

it('tells an error of ours by its text, without a stack', () => {
  const error = new InputError('no such file: a.bin', { hints: ['fetch it'], where: 'run.yaml:3' });
  expect(describeFailure(error)).toEqual({
    text: 'retort: no such file: a.bin\n  fetch it\n  run.yaml:3',
    exitCode: 2,
  });
  expect(describeFailure(new RunError('no space left')).exitCode).toBe(1);
});

it('says how to see more of what was not foreseen', () => {
  const { text, exitCode } = describeFailure(new TypeError('x is not a function'));
  expect(exitCode).toBe(1);
  expect(text).toMatch(/^retort: x is not a function\n {2}.*--debug/);
  expect(describeFailure('thrown text').text).toContain('retort: thrown text');
});

it('shows stacks, of causes too, on --debug', () => {
  const cause = new Error('the disk said no');
  const { text } = describeFailure(new RunError('cannot write', { cause }), { debug: true });
  expect(text).toContain('failure.test');
  expect(text).toContain('caused by: Error: the disk said no');
});
