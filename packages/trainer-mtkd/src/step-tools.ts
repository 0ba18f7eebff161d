import type { StepTools } from '@retort/core';
import { forward, mapValues } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { changedByStep, type StepParts } from './distillation-step.js';
import { evaluateTerms, lossesByHead } from './distillation-view.js';

/** What weightings may try between the steps made of the same parts. */
export function createStepTools(parts: StepParts): StepTools {
  const { student, terms, parameters, optimizer } = parts;
  const variables = changedByStep(parts);
  return {
    parameters,
    slots: optimizer.variables,
    variables,
    snapshot() {
      // A copy shares its numbers with the variable until that is assigned others.
      const values = mapValues(variables, (variable) => variable.clone());
      return {
        restore: () => {
          for (const [key, value] of Object.entries(values)) variables[key].assign(value);
        },
        dispose: () => tf.dispose(values),
      };
    },
    noise: (batchSize, update) => student.noise?.(batchSize, update) ?? {},
    evaluate(batch, teachers, noise) {
      const output = forward(student, batch, { training: true, noise });
      const evaluated = evaluateTerms(terms, output, teachers, batch, { training: true });
      const heads = new Set(terms.map(({ head }) => head));
      const byHead = lossesByHead(terms, evaluated, teachers.length);
      return {
        byHead: Object.fromEntries(Object.entries(byHead).filter(([head]) => heads.has(head as 'logit' | 'feature'))),
        crossEntropy: evaluated.view.studentCrossEntropy.mean() as tf.Scalar,
        view: evaluated.view,
      };
    },
  };
}
