import preset from '../../jest.preset.mjs';

export default { ...preset, testEnvironment: '<rootDir>/jest.environment.mjs' };
