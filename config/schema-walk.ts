import { z } from "zod";

/** Reading a schema as data: which keys may stand at a path, which values, and what it is called. */

export type Schema = z.core.$ZodType;
type Segment = string | number;

/** The schemas that a value may be checked by, without their wrappers; several for a union. */
export function alternatives(schema: Schema): readonly Schema[] {
  const inner = unwrapped(schema);
  if (inner !== null) return alternatives(inner);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(alternatives);
  return [schema];
}

/** The members of a union, in its order: the order of its errors. */
export function unionMembers(schema: Schema): readonly Schema[] {
  const inner = unwrapped(schema);
  if (inner !== null) return unionMembers(inner);
  return schema instanceof z.ZodUnion ? schema.options : [];
}

/** The schemas that may stand at a path, wrappers and all. */
export function schemasAt(root: Schema, path: readonly Segment[]): readonly Schema[] {
  return path.reduce<readonly Schema[]>(
    (schemas, segment) => schemas.flatMap((schema) => step(schema, segment)),
    [root],
  );
}

/** Keys that the schema names at a path; empty where it allows any (a task's or a label's name). */
export function keysAt(root: Schema, path: readonly Segment[]): readonly string[] {
  const found = schemasAt(root, path).flatMap(alternatives);
  return [...new Set(found.flatMap((schema) => (schema instanceof z.ZodObject ? Object.keys(schema.shape) : [])))];
}

/** Words that the schema allows at a path (enums and literals). */
export function wordsAt(root: Schema, path: readonly Segment[]): readonly string[] {
  const words = schemasAt(root, path)
    .flatMap(alternatives)
    .flatMap((schema): readonly unknown[] => {
      if (schema instanceof z.ZodEnum) return schema.options;
      return schema instanceof z.ZodLiteral ? [...schema.values] : [];
    });
  return [...new Set(words.filter((word) => typeof word === "string"))];
}

export interface KeyMeta {
  readonly kind: string | null;
  readonly description: string;
}

/** What the schema says about itself, looked for through its wrappers. */
export function metaOf(schema: Schema): KeyMeta | null {
  const meta = z.globalRegistry.get(schema);
  const { kind, description } = meta ?? {};
  if (typeof kind === "string" || description !== undefined) {
    return { kind: typeof kind === "string" ? kind : null, description: description ?? "" };
  }
  const inner = unwrapped(schema);
  return inner === null ? null : metaOf(inner);
}

function unwrapped(schema: Schema): Schema | null {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional || schema instanceof z.ZodNullable) {
    return schema.unwrap();
  }
  if (schema instanceof z.ZodLazy) return schema.unwrap();
  return schema instanceof z.ZodPipe ? schema.in : null;
}

function step(schema: Schema, segment: Segment): readonly Schema[] {
  return alternatives(schema).flatMap((found): readonly Schema[] => {
    if (found instanceof z.ZodObject) {
      const shape: Readonly<Record<string, Schema>> = found.shape;
      const member = Object.hasOwn(shape, segment) ? shape[segment] : undefined;
      return member === undefined ? [] : [member];
    }
    if (found instanceof z.ZodRecord) return [found.valueType];
    return found instanceof z.ZodArray ? [found.element] : [];
  });
}

/** True where the path leads to something that the schema knows. */
export function knows(root: Schema, path: readonly Segment[]): boolean {
  return schemasAt(root, path).length > 0;
}
