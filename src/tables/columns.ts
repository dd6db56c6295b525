/**
 * Column definitions: what a table holds, once for DuckDB and once for TypeScript.
 *
 * A table is declared as a record of columns, in the order in which they stand in the file;
 * `Row<typeof columns>` is the type of its rows.
 */

/** The DuckDB types that tables use, and the JavaScript type that each row holds for them. */
export interface ColumnValues {
  VARCHAR: string;
  /** 64-bit float; never NaN: a value that could not be had is null, with a reason in `error`. */
  DOUBLE: number;
  /** 32-bit signed. */
  INTEGER: number;
  /** 64-bit signed: seeds. */
  BIGINT: bigint;
  BOOLEAN: boolean;
}
export type ColumnType = keyof ColumnValues;

export interface Column<T extends ColumnType = ColumnType, Nullable extends boolean = boolean> {
  readonly type: T;
  readonly nullable: Nullable;
}

/** A table's columns by name, in file order. Names are snake case. */
export type Columns = Readonly<Record<string, Column>>;

type ColumnValue<C> =
  C extends Column<infer T, infer N> ? (N extends true ? ColumnValues[T] | null : ColumnValues[T]) : never;

/** One row of a table with these columns. */
export type Row<C extends Columns> = { [Name in keyof C]: ColumnValue<C[Name]> };

/** A column without nulls, e.g. `column('VARCHAR')`. */
export function column<T extends ColumnType>(type: T): Column<T, false> {
  return { type, nullable: false };
}

/** A column that may hold nulls. */
export function nullable<T extends ColumnType>(type: T): Column<T, true> {
  return { type, nullable: true };
}
