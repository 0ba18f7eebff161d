import preset from '../../jest.preset.mjs';

/** Commands are whole processes, on a machine that may be busy. */
export default { ...preset, testTimeout: 120_000 };
