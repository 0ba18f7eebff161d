import { definePlugin } from '@retort/core';

/** Trainers that learn by acting. */
export const plugin = definePlugin({ name: '@retort/trainer-policy', register() {} });
