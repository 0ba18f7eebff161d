import { register } from './kernels.js';

register();
