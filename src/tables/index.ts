export {
  atomically,
  contentPath,
  explainWriteError,
  putFile,
  removeTemporaries,
  writeFileAtomic,
  writeJsonAtomic,
} from './atomic.ts';
export type { Column, Columns, ColumnType, ColumnValues, Row } from './columns.ts';
export { column, nullable } from './columns.ts';
export { fromParquet, identifier, type SqlValue, sql, sqlStream, textLiteral } from './database.ts';
export { fileDigest, hashFile, sha256, wholeDigestBytes } from './digest.ts';
export { type NpyHeader, npyHeader, npyItemBytes, readNpyHeader, writeNpy } from './npy.ts';
export { copyTables, readTable, tableFiles, writeNewTable, writeTable } from './parquet.ts';
export { isFile, parseBy, readJsonObject, readTextFile, readTextIfThere } from './read.ts';
