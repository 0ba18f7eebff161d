/** Bytes of {@link npyHeader}, which numbers of rows and columns that fit on a disk do not change. */
export const NPY_HEADER_BYTES = 128;

/**
 * The first bytes of an .npy file, format 1.0, whose values follow: float32, little-endian, row by row. From numpy's
 * numpy.lib.format: a magic string, the version, the length of the rest in two bytes, a Python dictionary, spaces, a line end.
 */
export function npyHeader(rows: number, columns: number): Buffer {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
  header.write(dictionary, 10, 'latin1');
  header.write('\n', NPY_HEADER_BYTES - 1, 'latin1');
  return header;
}
