/** CLIP's signs for the 256 bytes, in the order of its first ids: those that print, then the rest moved up to U+0100. */
function byteSigns(): string[] {
  const prints = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const moved = bytes.filter((byte) => !prints(byte)).map((_, i) => String.fromCharCode(256 + i));
  return [...bytes.filter(prints).map((byte) => String.fromCharCode(byte)), ...moved];
}

/** A tokenizer.json as published for CLIP, with merges of one's own: 512 byte signs, the merges, start and end. */
export function clipFile(
  merges: readonly (readonly [string, string])[],
  signs: readonly string[] = byteSigns(),
): object {
  const pieces = [...signs, ...signs.map((sign) => `${sign}</w>`), ...merges.map((pair) => pair.join(''))];
  const [start, end] = ['<|startoftext|>', '<|endoftext|>'];
  const ends = { [start]: pieces.length, [end]: pieces.length + 1 };
  const ofEnd = { lstrip: false, rstrip: false, single_word: false, special: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      { id: ends[start], content: start, normalized: true, ...ofEnd },
      { id: ends[end], content: end, normalized: false, ...ofEnd },
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [end, ends[end]],
      cls: [start, ends[start]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: end,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab: { ...Object.fromEntries(pieces.map((piece, id) => [piece, id])), ...ends },
      merges: merges.map((pair) => pair.join(' ')),
    },
  };
}
