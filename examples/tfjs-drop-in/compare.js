// A few steps of the same training on tfjs's own cpu backend and on onnxruntime: the same losses, and how much faster.
import * as tf from '@tensorflow/tfjs';
import '@retort/backend-onnxruntime/register';
import { drawDigits } from './digits.js';
import { createModel } from './model.js';

const steps = 3;

/** Two epochs of a few steps, then one against the clock. */
async function fewSteps(backend) {
  await tf.setBackend(backend);
  const { images, labels } = drawDigits(16 * steps, 3);
  const model = createModel();
  const fit = async (epochs) => {
    const { history } = await model.fit(images, labels, { epochs, batchSize: 16, shuffle: false, verbose: 0 });
    return history.loss;
  };
  const first = await fit(2);
  const began = performance.now();
  const losses = [...first, ...(await fit(1))];
  const milliseconds = (performance.now() - began) / steps;
  console.log(
    `${backend}: losses ${losses.map((loss) => loss.toFixed(5)).join(', ')}; ${milliseconds.toFixed(1)} ms a step`,
  );
  return { losses, milliseconds };
}

const cpu = await fewSteps('cpu');
const onnxruntime = await fewSteps('onnxruntime');
const apart = Math.max(...cpu.losses.map((loss, i) => Math.abs(loss - onnxruntime.losses[i]) / loss));
console.log(`losses apart by ${apart.toExponential(1)} of their size`);
console.log(`${(cpu.milliseconds / onnxruntime.milliseconds).toFixed(1)} times as fast`);

const { compiled, cacheHits, fallbacks } = tf.backend().statistics();
console.log(`${compiled} graphs compiled, ${cacheHits} runs of graphs known before`);
console.log(`on cpu kernels: ${Object.keys(fallbacks).join(', ') || 'none'}`);
