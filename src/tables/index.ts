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
export { fromParquet, identifier, type SqlValue, sql, textLiteral } from './database.ts';
export { hashFile, sha256 } from './digest.ts';
export { readTable, tableFiles, writeNewTable, writeTable } from './parquet.ts';
export { readJsonObject, readTextFile, readTextIfThere } from './read.ts';
