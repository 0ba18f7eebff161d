import { InputError } from '@retort/core';
import { availableProviders, checkProviders } from './execution-providers.js';

function errorOf(names: string[]): InputError | undefined {
  try {
    checkProviders(names);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return error as InputError;
  }
}

describe('checkProviders', () => {
  it('takes cpu', () => {
    expect(availableProviders()).toContainEqual({ name: 'cpu', bundled: true });
    expect(() => checkProviders(['cpu'])).not.toThrow();
  });

  it('names a provider that this platform does not have, and those it has', () => {
    const other = process.platform === 'win32' ? 'coreml' : 'dml';
    const { message, hints } = errorOf([other, 'cpu'])!;
    expect(message).toContain(`"${other}"`);
    expect(message).toContain(process.platform);
    expect(hints[0]).toMatch(/there are: cpu/);
  });

  it.each(availableProviders().filter(({ bundled }) => !bundled))(
    'says what $name needs where its libraries are not installed',
    ({ name }) => {
      const error = errorOf([name]);
      // They are installed.
      if (!error) return;
      const { message, hints } = error;
      expect(message).toContain(`"${name}" does not start`);
      expect(hints[0]).toMatch(new RegExp(`^${name} needs`));
      expect(hints.at(-1)).toMatch(/default, \['cpu'\]/);
    },
  );
});
