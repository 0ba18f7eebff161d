import { type HostTensor, InputError, type TeacherContext } from '@retort/core';

/** Texts' ids [T, N] as they came. @throws InputError when they are not of the length that the data set's tokenizer gives */
export function checkTokens(tokens: HostTensor, { id, text, path }: TeacherContext): HostTensor {
  const expected = text?.tokenizer.contextLength;
  if (expected === undefined || tokens.shape.length !== 2 || tokens.shape[1] !== expected) {
    throw new InputError(
      `teacher "${id}" was made for ${expected === undefined ? 'a data set without texts' : `texts of ${expected} ids`}, ` +
        `the texts here are [${tokens.shape.join(', ')}]`,
      { where: path },
    );
  }
  return tokens;
}
