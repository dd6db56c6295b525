export type { Column, Columns, ColumnType, ColumnValues, Row } from './columns.ts';
export { column, nullable } from './columns.ts';
