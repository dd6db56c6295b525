import protobuf from 'protobufjs';

/**
 * The part of ONNX's protobuf schema that models without subgraphs, functions and sparse tensors use,
 * with the official field numbers (onnx/onnx.proto, IR version 10). Fields that are left out are skipped
 * by the reader, except that `GraphProto` attributes and functions are declared so that they can be refused.
 */
const SCHEMA = `
syntax = "proto2";
package onnx;
message StringStringEntryProto { optional string key = 1; optional string value = 2; }
message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
message TensorShapeProto {
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  repeated Dimension dim = 1;
}
message TypeProto {
  message Tensor { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  optional Tensor tensor_type = 1;
}
message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
message TensorProto {
  repeated int64 dims = 1;
  optional int32 data_type = 2;
  repeated float float_data = 4 [packed = true];
  repeated int32 int32_data = 5 [packed = true];
  repeated int64 int64_data = 7 [packed = true];
  optional string name = 8;
  optional bytes raw_data = 9;
  repeated double double_data = 10 [packed = true];
  repeated StringStringEntryProto external_data = 13;
  optional int32 data_location = 14;
}
message AttributeProto {
  optional string name = 1;
  optional float f = 2;
  optional int64 i = 3;
  optional bytes s = 4;
  optional TensorProto t = 5;
  repeated float floats = 7;
  repeated int64 ints = 8;
  repeated bytes strings = 9;
  optional int32 type = 20;
  optional string ref_attr_name = 21;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  optional string name = 3;
  optional string op_type = 4;
  repeated AttributeProto attribute = 5;
  optional string domain = 7;
}
message SparseTensorProto { optional TensorProto values = 1; }
message GraphProto {
  repeated NodeProto node = 1;
  optional string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
  repeated ValueInfoProto value_info = 13;
  repeated SparseTensorProto sparse_initializer = 15;
}
message FunctionProto { optional string name = 1; optional string domain = 10; }
message ModelProto {
  optional int64 ir_version = 1;
  optional string producer_name = 2;
  optional string producer_version = 3;
  optional GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
  repeated FunctionProto functions = 25;
}
`;

/** A 64-bit integer as protobufjs hands it over: two signed 32-bit halves. */
export interface Int64Halves {
  readonly low: number;
  readonly high: number;
}
/** What may be written to an int64 field; a decimal string where a number would lose bits. */
type Int64 = number | string | Int64Halves;

export interface EntryProto {
  key?: string;
  value?: string;
}
export interface DimensionProto {
  dim_value?: Int64 | null;
  dim_param?: string | null;
}
export interface ValueInfoProto {
  name?: string;
  type?: { tensor_type?: { elem_type?: number; shape?: { dim?: DimensionProto[] } | null } | null } | null;
}
export interface TensorProto {
  dims?: Int64[];
  data_type?: number;
  float_data?: number[];
  int32_data?: number[];
  int64_data?: Int64[];
  double_data?: number[];
  raw_data?: Uint8Array;
  name?: string;
  external_data?: EntryProto[];
  data_location?: number;
}
export interface AttributeProto {
  name?: string;
  type?: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorProto | null;
  floats?: number[];
  ints?: Int64[];
  strings?: Uint8Array[];
  ref_attr_name?: string;
}
export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  op_type?: string;
  domain?: string;
  attribute?: AttributeProto[];
}
export interface GraphProto {
  name?: string;
  node?: NodeProto[];
  initializer?: TensorProto[];
  sparse_initializer?: unknown[];
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
  value_info?: ValueInfoProto[];
}
export interface ModelProto {
  ir_version?: Int64;
  producer_name?: string;
  producer_version?: string;
  opset_import?: { domain?: string; version?: Int64 }[];
  functions?: { name?: string; domain?: string }[];
  graph?: GraphProto | null;
}

/** AttributeProto.AttributeType, the values that we know by name. */
export const ATTRIBUTE_TYPE = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  GRAPHS: 10,
} as const;

/** Protobuf's own limit on one message. */
export const LARGEST_MODEL_BYTES = 2 ** 31 - 1;

/** TensorProto.DataLocation.EXTERNAL: the bytes lie in a file beside the model. */
export const EXTERNAL = 1;

const modelType = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('onnx.ModelProto');

/** The protobuf bytes of a model. Tensors' `raw_data` is copied once, into the result. */
export function encodeProto(model: ModelProto): Uint8Array {
  const bytes = modelType.encode(model as Record<string, unknown>).finish();
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Parses protobuf bytes; `raw_data` stays a view into them. Throws protobufjs's errors on garbage. */
export function decodeProto(bytes: Uint8Array): ModelProto {
  return modelType.decode(bytes) as unknown as ModelProto;
}

/** An int64 field as a bigint, exactly. */
export function toBigInt(value: Int64): bigint {
  if (typeof value === 'object') return (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);
  return BigInt(value);
}

/** An int64 field as a number; beyond 2^53 it is rounded, which only "to the end" markers reach. */
export function toNumber(value: Int64): number {
  return Number(toBigInt(value));
}

const INT64_MAX = 2 ** 63;

/** A number for an int64 field; ±2^63 and beyond saturate, since a double cannot hold 2^63 − 1. */
export function toInt64(value: number): number | string {
  if (value >= INT64_MAX) return '9223372036854775807';
  if (value <= -INT64_MAX) return '-9223372036854775808';
  return Number.isSafeInteger(value) ? value : BigInt(Math.trunc(value)).toString();
}
