import * as tf from '@tensorflow/tfjs';
import '@retort/backend-onnxruntime/register'; // this import,
import { mkdirSync, writeFileSync } from 'node:fs';
import { drawDigits } from './digits.js';
import { createModel } from './model.js';

await tf.setBackend('onnxruntime'); // and this name, are all there is to change

const train = drawDigits(2000, 1);
const test = drawDigits(500, 2);
const model = createModel();

console.log(`backend ${tf.getBackend()}`);
const began = performance.now();
await model.fit(train.images, train.labels, {
  epochs: 6,
  batchSize: 64,
  validationSplit: 0.1,
  verbose: 0,
  callbacks: {
    onEpochEnd: (epoch, { loss, val_loss, val_acc }) =>
      console.log(
        `epoch ${epoch + 1}: loss ${loss.toFixed(3)}, validation loss ${val_loss.toFixed(3)}, accuracy ${val_acc.toFixed(3)}`,
      ),
  },
});
console.log(`trained in ${((performance.now() - began) / 1000).toFixed(1)} s`);

const [, accuracy] = model.evaluate(test.images, test.labels);
console.log(`test accuracy ${accuracy.dataSync()[0].toFixed(3)}`);

// The format every tfjs program loads, in a browser too.
await model.save(
  tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
    mkdirSync('model', { recursive: true });
    const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
    writeFileSync('model/model.json', JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest }));
    writeFileSync('model/weights.bin', new Uint8Array(weightData));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  }),
);
console.log('saved model/model.json');
