export interface Port {
  name: string; array: string; length: number; shape: number[];
  scale: number | null; zeroPoint: number; low: number | null; high: number | null;
}
export type Values = Record<string, ArrayLike<number> | ArrayLike<bigint>>;
export interface Model { run(values: Values): Record<string, any>; reset(): void; }
export const inputs: Port[];
export const outputs: Port[];
export function load(source?: BufferSource | Response): Promise<Model>;
export function quantize(port: Port, numbers: ArrayLike<number>): any;
export function dequantize(port: Port, elements: ArrayLike<number>): number[];
