import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '@retort/core';

export type WhichStudent = 'best' | 'last';

/**
 * A saved student and the run it belongs to, from either's folder.
 *
 * @param path RUN, or RUN/student/best
 * @param which student of a run; the best if there is one
 * @returns `run` is undefined for a student that lies outside a run folder
 * @throws InputError when there is no student
 */
export function findStudent(path: string, which?: WhichStudent): { student: string; run: string | undefined } {
  if (existsSync(join(path, 'manifest.lock.yaml'))) {
    const there = ['best', 'last'].filter((name) => hasModel(join(path, 'student', name)));
    const [found] = there.filter((name) => which === undefined || name === which);
    if (found) return { student: join(path, 'student', found), run: path };
    throw new InputError(`${path} holds no student ${which === undefined ? 'yet' : `"${which}"`}`, {
      hints: [there.length > 0 ? `it holds: ${there.join(', ')}` : `finish the run: retort resume ${path}`],
    });
  }
  if (which !== undefined)
    throw new InputError(`--student ${which}: ${path} is no run folder, which would have several`);
  if (!hasModel(path)) {
    throw new InputError(`${path} is neither a run folder nor a student`, {
      hints: ['name a folder that `retort train` wrote, or its student/best'],
    });
  }
  const run = dirname(dirname(resolve(path)));
  const isOfRun = basename(dirname(resolve(path))) === 'student' && existsSync(join(run, 'manifest.lock.yaml'));
  return { student: path, run: isOfRun ? run : undefined };
}

function hasModel(folder: string): boolean {
  return existsSync(join(folder, 'model.json'));
}
