import { register } from './registration.js';

register();
