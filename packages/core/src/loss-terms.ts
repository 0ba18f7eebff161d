import { InputError } from './errors.js';
import type { Loss } from './loss.js';
import { nearestHint } from './nearest-name.js';
import { type NetworkOutput, outputNamed, type OutputShapes } from './network-output.js';
import type { PartReference } from './part-reference.js';
import type { RunScope } from './registry.js';
import type { Seeds } from './seeds.js';
import type { Head } from './weighting.js';

/** A loss of the manifest, made: once for a task loss, once per teacher for a distillation loss. */
export interface LossTerm {
  id: string;
  weight: number;
  /** Undefined for a task loss. */
  head?: Head;
  /** One per teacher in manifest order; a task loss has one. */
  losses: {
    loss: Loss;
    student: (output: NetworkOutput) => NetworkOutput;
    teacher: (output: NetworkOutput) => NetworkOutput;
  }[];
}

/** The parts of a manifest's loss entry that core defines. */
interface LossKeys {
  id: string;
  weight: number;
  weightedBy?: Head;
  student?: string;
  teacher?: string | Record<string, string>;
}

/**
 * Makes the losses of a run. Those that read nothing from a teacher are task losses; without teachers the others are left out.
 *
 * @throws InputError when an output that a loss reads is not there
 */
export async function createLossTerms(
  references: PartReference<'loss'>[],
  student: { offers: OutputShapes },
  teachers: readonly { id: string; provides: OutputShapes }[],
  scope: RunScope,
  seeds: Seeds,
  classes: readonly string[],
): Promise<LossTerm[]> {
  const terms: LossTerm[] = [];
  for (const reference of references) {
    const keys = reference.keys as unknown as LossKeys;
    const needs = scope.part(reference).needs ?? {};
    const common = { classes: [...classes], seeds: seeds.within(`losses/${keys.id}`), path: reference.path };
    const studentView = renaming(needs.student ?? [], keys.student, student.offers, reference, 'the student');
    if (!needs.teacher?.length) {
      if (keys.weightedBy) {
        throw new InputError(
          `${reference.path}.weightedBy: "${reference.use}" reads no teacher, so no teacher weights it`,
        );
      }
      const loss = await scope.create(reference, { ...common, student: studentView.shapes });
      terms.push({
        id: keys.id,
        weight: keys.weight,
        losses: [{ loss, student: studentView.rename, teacher: studentView.rename }],
      });
      continue;
    }
    if (teachers.length === 0) continue;
    const losses: LossTerm['losses'] = [];
    for (const teacher of teachers) {
      const named = typeof keys.teacher === 'object' ? keys.teacher[teacher.id] : keys.teacher;
      const teacherView = renaming(needs.teacher, named, teacher.provides, reference, `teacher ${teacher.id}`);
      const loss = await scope.create(reference, {
        ...common,
        seeds: common.seeds.within(teacher.id),
        student: studentView.shapes,
        teacher: teacherView.shapes,
        teacherId: teacher.id,
      });
      losses.push({ loss, student: studentView.rename, teacher: teacherView.rename });
    }
    terms.push({ id: keys.id, weight: keys.weight, head: keys.weightedBy ?? 'logit', losses });
  }
  return terms;
}

/** How a loss sees a network: under the names it needs, one of which may stand for another output. */
function renaming(
  needs: string[],
  replacement: string | undefined,
  offers: OutputShapes,
  { path, use }: PartReference<'loss'>,
  whose: string,
): { shapes: OutputShapes; rename: (output: NetworkOutput) => NetworkOutput } {
  if (replacement !== undefined && needs.length !== 1) {
    throw new InputError(`${path}: "${use}" reads ${needs.join(', ')}; one output cannot stand in for all of them`);
  }
  const sources = needs.map((need) => replacement ?? need);
  for (const source of sources) {
    if (!(source in offers)) {
      const offered = Object.entries(offers).map(([name, shape]) => `${name} [${['B', ...shape].join(', ')}]`);
      throw new InputError(`${path}: "${use}" reads "${source}" of ${whose}, which has none`, {
        hints: [`${whose} has: ${offered.join(', ')}`, nearestHint(source, Object.keys(offers))],
      });
    }
  }
  return {
    shapes: Object.fromEntries(needs.map((need, i) => [need, offers[sources[i]]])),
    rename: (output) =>
      replacement === undefined ? output : { ...output, [needs[0]]: outputNamed(output, replacement) },
  };
}
