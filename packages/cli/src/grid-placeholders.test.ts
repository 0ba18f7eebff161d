import { armsNeeded, differsBySeed, filledIn } from './grid-placeholders.js';

const settings = [
  'dataset.fold=${seed}',
  'trainer.from=${run:stage-1}',
  'teachers.t.path=${run:teacher}/x',
  'a=${HOME}',
];

it('names the arms that runs go on from', () => {
  expect(armsNeeded(settings)).toEqual(['stage-1', 'teacher']);
  expect(armsNeeded(['a=${run:b}-${run:b}'])).toEqual(['b']);
  expect([settings, settings.slice(0, 1), settings.slice(3)].map(differsBySeed)).toEqual([true, true, false]);
});

it('fills in seed and run folders, and leaves environment variables alone', () => {
  expect(filledIn(settings, 3, (arm) => `/work/${arm}-seed-3`)).toEqual([
    'dataset.fold=3',
    'trainer.from=/work/stage-1-seed-3',
    'teachers.t.path=/work/teacher-seed-3/x',
    'a=${HOME}',
  ]);
});
