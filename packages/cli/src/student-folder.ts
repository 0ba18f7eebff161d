import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '@retort/core';

/**
 * A saved student and the run it belongs to, from either's folder.
 *
 * @param path RUN, or RUN/student/best
 * @returns `run` is undefined for a student that lies outside a run folder
 * @throws InputError when there is no student
 */
export function findStudent(path: string): { student: string; run: string | undefined } {
  if (existsSync(join(path, 'manifest.lock.yaml'))) {
    const student = ['best', 'last'].map((name) => join(path, 'student', name)).find(hasModel);
    if (student) return { student, run: path };
    throw new InputError(`${path} holds no student yet`, { hints: [`finish the run: retort resume ${path}`] });
  }
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
