import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type DatasetText, encodeSafetensors, type HostTensor, InputError, outputNamed, sha256 } from '@retort/core';
import { forward, namedWeights } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { imagenetNormalization } from './build-published.js';
import { clip } from './clip.js';
import { clipNormalization } from './clip-spec.js';
import { openClip } from './open-clip.js';
import { references, sizeOf, tensor, tensorsOf } from './test-support/published-files.js';
import { studentContext } from './test-support/student-context.js';

/** As published_reference.py has them. */
const tokens = [
  [18, 3, 7, 2, 19, 0],
  [18, 19, 19, 19, 5, 19],
  [18, 5, 5, 9, 1, 19],
];
const files = {
  'clip-open-clip': { activation: 'quick-gelu', qkv: 'visual.transformer.resblocks.1.attn.in_proj_weight' },
  'clip-hugging-face': { activation: 'gelu', qkv: 'vision_model.encoder.layers.1.self_attn.q_proj.weight' },
} as const;
const names = Object.keys(files) as (keyof typeof files)[];

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'retort-clip-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function write(tensors: Record<string, HostTensor>): string {
  const path = join(folder, 'clip.safetensors');
  writeFileSync(path, encodeSafetensors(tensors));
  return path;
}

const heads = { image: 3, text: 2 };

describeEachBackend('openClip', () => {
  it.each(names)('computes what PyTorch computes with a file of %s', async (name) => {
    const { imageShape, outputs } = references[name];
    const opened = await openClip(write(tensorsOf(references[name])), {
      imageSize: [imageShape[0], imageShape[1]],
      contextLength: 6,
      activation: files[name].activation,
      normalization: imagenetNormalization,
      heads,
    });
    const image = tf.tensor4d(
      Float32Array.from({ length: 2 * sizeOf(imageShape) }, (_, i) => 0.5 + 0.5 * Math.sin(0.7 * i)),
      [2, ...imageShape],
    );
    const output = forward(opened, { image, tokens: tf.tensor2d(tokens, [3, 6], 'int32') }, { training: false });
    expect(Object.keys(opened.offers)).toEqual(Object.keys(outputs));
    for (const [key, expected] of Object.entries(outputs)) {
      await expectClose(outputNamed(output, key)!, expected, { absolute: 1e-4, relative: 1e-4 });
    }
    opened.model.dispose();
  });
});

describe('openClip', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('reads sizes from shapes', async () => {
    for (const name of names) {
      const path = write(tensorsOf(references[name]));
      await expectNoLeak(async () => {
        const opened = await openClip(path, { heads });
        expect(opened.settings).toEqual({
          image: { width: 12, depth: 2, heads: 3, patchSize: 4 },
          text: { width: 8, depth: 2, heads: 2 },
          embedding: 6,
          activation: 'quick-gelu',
          boxHead: false,
          imageShape: [16, 16, 3],
          normalization: clipNormalization,
          vocabularySize: 20,
          contextLength: 8,
          endToken: 19,
        });
        expect(opened.fingerprint).toBe(sha256(readFileSync(path)));
        const buffers = /attn_mask|position_ids/;
        const values = Object.entries(references[name].tensors).filter(([key]) => !buffers.test(key));
        expect(opened.parameters).toBe(values.reduce((sum, [, shape]) => sum + sizeOf(shape), 0));
        opened.model.dispose();
      });
    }
  });

  const failure = async (tensors: Record<string, HostTensor> | Buffer, options = {}): Promise<string> => {
    const path = Buffer.isBuffer(tensors) ? join(folder, 'damaged.safetensors') : write(tensors);
    if (Buffer.isBuffer(tensors)) writeFileSync(path, tensors);
    const error = await openClip(path, { heads, where: 'teachers[0]', ...options }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).where).toBe('teachers[0]');
    return (error as InputError).text.replaceAll(folder, '');
  };

  it.each(names)('names a tensor of %s that is missing, misshapen or unknown', async (name) => {
    const tensors = tensorsOf(references[name]);
    const { qkv } = files[name];
    const { [qkv]: own, ...others } = tensors;
    expect(await failure(others)).toContain(`/clip.safetensors has no tensor "${qkv}"`);
    const [rows, columns] = own.shape;
    expect(await failure({ ...tensors, [qkv]: tensor('x', [rows + 3, columns]) })).toContain(
      `"${qkv}" is [${rows + 3}, ${columns}], this network's is [${rows}, ${columns}]`,
    );
    expect(await failure({ ...tensors, 'visual.extra': tensor('x', [2]) })).toContain(
      'has what this network does not: "visual.extra"',
    );
    expect(await failure({ ...tensors, logit_scale: { data: Int32Array.of(1), shape: [] } })).toContain(
      '"logit_scale" holds integers',
    );
  });

  it('refuses a file that is cut off, whose header is over its size, or that holds something else', async () => {
    const whole = readFileSync(write(tensorsOf(references['clip-open-clip'])));
    expect(await failure(whole.subarray(0, whole.length - 1))).toMatch(
      /^\/damaged.safetensors is no safetensors file that can be read: truncated: tensor ".*" ends at byte/,
    );
    expect(await failure(whole.subarray(0, 5))).toContain('truncated: 5 bytes');
    const header = Buffer.from(whole);
    header.writeBigUInt64LE(BigInt(whole.length), 0);
    expect(await failure(header)).toContain(
      `truncated: its header says ${whole.length} bytes, ${whole.length - 8} are there`,
    );
    expect(await failure(tensorsOf(references.deit))).toMatch(/holds no CLIP .*\n.*\n {2}the file has "/);
    const noBlocks = Object.entries(tensorsOf(references['clip-open-clip'])).filter(([key]) => !/^transf/.test(key));
    expect(await failure(Object.fromEntries(noBlocks))).toContain(
      'has no tensor "transformer.resblocks.0.ln_1.weight"',
    );
  });

  it('refuses texts that are longer than those it was trained on', async () => {
    expect(await failure(tensorsOf(references['clip-open-clip']), { contextLength: 9 })).toContain(
      'reads texts of 8 ids at most, they have 9',
    );
  });
});

describe('a clip student with weights', () => {
  it('starts from them, and normalizes as they were trained', async () => {
    await tf.setBackend('cpu');
    write(tensorsOf(references['clip-hugging-face']));
    const tokenizer = {
      vocabularySize: 20,
      contextLength: 6,
      endToken: 19,
      fingerprint: '',
      encode: () => null as never,
    };
    const text: DatasetText = { tokenizer, prompts: [] };
    const sizes = {
      width: 12,
      depth: 2,
      heads: 3,
      patchSize: 4,
      textWidth: 8,
      textDepth: 2,
      textHeads: 2,
      embedding: 6,
    };
    const student = await clip.create(
      clip.options.parse({ ...sizes, boxHead: true, weights: 'clip.safetensors' }) as never,
      studentContext({ imageShape: [16, 16, 3], text, baseFolder: folder }),
    );
    const { trainable, frozen } = namedWeights(student.model);
    const exact = { absolute: 0, relative: 0 };
    const norm = 'text_model.encoder.layers.1.layer_norm2.weight';
    await expectClose(trainable['text_block2_norm2/gamma'], tensor(norm, [8]).data, exact);
    const words = 'text_model.embeddings.token_embedding.weight';
    await expectClose(trainable['token_embedding/embeddings'], tensor(words, [20, 8]).data, exact);
    await expectClose(
      frozen['normalize/depthwise_kernel'],
      clipNormalization.deviation.map((d) => 1 / d),
    );
    // The head is in no file: it is drawn.
    expect(new Set(await trainable['box_hidden/kernel'].data()).size).toBeGreaterThan(100);
    student.model.dispose();
  });
});
