import { nearestHint } from './nearest-name.js';

const names = ['cross-entropy', 'kd', 'fitnet'];

it.each([
  ['cross-entrpy', 'did you mean "cross-entropy"? choose from: cross-entropy, kd, fitnet'],
  ['dk', 'did you mean "kd"? choose from: cross-entropy, kd, fitnet'],
  ['fit-nets', 'did you mean "fitnet"? choose from: cross-entropy, kd, fitnet'],
  ['contrastive', 'choose from: cross-entropy, kd, fitnet'],
])('helps with "%s"', (name, hint) => {
  expect(nearestHint(name, names)).toBe(hint);
});

it('says when there is nothing to choose from', () => {
  expect(nearestHint('kd', [])).toBe('there are none');
});
