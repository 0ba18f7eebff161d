import type { Plugin } from '@retort/core';
import { plugin as onnxruntime } from '@retort/backend-onnxruntime';
import { plugin as wasm } from '@retort/backend-wasm';
import { plugin as datasets } from '@retort/datasets';
import { plugin as environments } from '@retort/environments';
import { plugin as losses } from '@retort/losses';
import { plugin as metrics } from '@retort/metrics';
import { plugin as models } from '@retort/models';
import { plugin as nn } from '@retort/nn';
import { plugin as agents } from '@retort/rl-agents';
import { plugin as teachers } from '@retort/teachers';
import { plugin as kdrl } from '@retort/trainer-kdrl';
import { plugin as mtkd } from '@retort/trainer-mtkd';
import { plugin as policy } from '@retort/trainer-policy';

/** Every part that comes with Retort. */
export const plugins: readonly Plugin[] = [
  onnxruntime,
  wasm,
  nn,
  datasets,
  environments,
  models,
  teachers,
  losses,
  metrics,
  agents,
  mtkd,
  kdrl,
  policy,
];
