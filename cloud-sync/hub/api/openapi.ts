import { z } from "zod";
import { errorCatalogue } from "../../../protocol/index.ts";
import { permissionsOf, roles, type Permission } from "./caller.ts";
import { type HubRoute } from "./hub-route.ts";

/** The OpenAPI document, made of the same routes that the gateway serves (OpenAPI 3.1.1, JSON Schema 2020-12). */
export interface OpenApiDocument {
  readonly openapi: "3.1.1";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: Readonly<Record<string, unknown>>;
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly OpenApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: OpenApiContent };
  readonly responses: Readonly<Record<string, unknown>>;
}

interface OpenApiParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly schema: JsonSchema;
}

type OpenApiContent = Readonly<Record<string, { readonly schema?: JsonSchema; readonly example?: unknown }>>;
type JsonSchema = Readonly<Record<string, unknown>>;

export function openApiDocument(routes: readonly HubRoute[], version: string): OpenApiDocument {
  const paths: Record<string, Record<string, OpenApiOperation>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([A-Za-z0-9_]+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  const tags = [...new Set(routes.map(({ operation }) => operation.tag))].sort();
  return {
    openapi: "3.1.1",
    info: { title: "Holdpoint hub", version, description },
    tags: tags.map((name) => ({ name })),
    paths,
    components: {
      securitySchemes,
      schemas: { Problem: problem },
      responses: { Problem: problemResponse, ForeignRefusal: foreignRefusal },
    },
  };
}

const description = [
  "Every refusal is a problem+json (RFC 9457) with a stable `code`, a `hint`, and whether to try again (`retry`).",
  "Lists come in pages: `{ items, cursor }`; send `cursor` back for the next page, null was the last.",
  "A POST, PUT or DELETE of a person or program may carry an `Idempotency-Key`: for 24 hours a repeat gets the first answer.",
  "Times are milliseconds since 1970, durations milliseconds, shares in [0, 1].",
].join("\n");

function operationOf(route: HubRoute): OpenApiOperation {
  const { operation } = route;
  const body = bodyOf(route);
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: accessText(route),
    tags: [operation.tag],
    security: securityOf(route),
    parameters: [...pathParameters(route), ...queryParameters(route), ...repeatParameter(route)],
    ...(body ? { requestBody: { required: true, content: body } } : {}),
    responses: {
      ...Object.fromEntries(statusesOf(route).map((status) => [String(status), replyOf(route)])),
      default: { $ref: `#/components/responses/${route.refusal ? "ForeignRefusal" : "Problem"}` },
    },
  };
}

/** Which permission a call needs, and which roles have it. */
function accessText({ access }: HubRoute): string {
  if (access === "public") return "Anybody may call it.";
  if (access === "agent") return "For enrolled agents: the call is signed with the agent's key.";
  const having = roles.filter((role) => permissionsOf[role].includes(access satisfies Permission));
  return `Needs the permission \`${access}\`: ${having.join(", ")}.`;
}

function securityOf({ access }: HubRoute): OpenApiOperation["security"] {
  if (access === "public") return [];
  return access === "agent" ? [{ agent: [] }] : [{ session: [] }, { token: [] }];
}

function pathParameters({ path }: HubRoute): readonly OpenApiParameter[] {
  const names = [...path.matchAll(/:([A-Za-z0-9_]+)/g)].map(([, name = ""]) => name);
  return names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } }));
}

function queryParameters({ query }: HubRoute): readonly OpenApiParameter[] {
  if (!query) return [];
  const { properties = {}, required = [] } = schemaOf(query, "input") as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: "query" as const, required: required.includes(name) },
    // A number that is read from text has no type of its own in the schema of what comes in.
    schema: Object.keys(schema).length === 0 ? { type: "string" } : schema,
  }));
}

function repeatParameter({ method, access, idempotent }: HubRoute): readonly OpenApiParameter[] {
  if (method === "GET" || access === "agent" || access === "public" || idempotent === true) return [];
  const schema = { type: "string", pattern: "^[\\x21-\\x7e]{1,128}$" };
  return [{ name: "Idempotency-Key", in: "header", required: false, schema }];
}

function bodyOf({ method, body, access, examples }: HubRoute): OpenApiContent | null {
  // A GET may be read for its signature; it has nothing to say.
  if (body === undefined || method === "GET") return null;
  if (body === "bytes") return { "application/octet-stream": {} };
  const example = examples?.body === undefined ? {} : { example: examples.body };
  const content = { schema: schemaOf(body, "input"), ...example };
  const json = { "application/json": content };
  return access === "agent" ? { ...json, "application/msgpack": { schema: content.schema } } : json;
}

function statusesOf({ reply, statuses }: HubRoute): readonly number[] {
  return statuses ?? [isNothing(reply) ? 204 : 200];
}

function isNothing(reply: HubRoute["reply"]): boolean {
  return reply instanceof z.ZodUndefined;
}

function replyOf({ reply, examples }: HubRoute): Readonly<Record<string, unknown>> {
  if (isNothing(reply)) return { description: "Done" };
  if ("contentType" in reply) return { description: "The answer", content: { [reply.contentType]: {} } };
  const example = examples?.reply === undefined ? {} : { example: examples.reply };
  return {
    description: "The answer",
    content: { "application/json": { schema: schemaOf(reply, "output"), ...example } },
  };
}

/** JSON Schema of a zod schema; bytes are base64 in JSON. */
function schemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const made = z.toJSONSchema(schema, { io, target: "draft-2020-12", unrepresentable: "any", reused: "inline" });
  // The document says once which dialect all of its schemas are in.
  return Object.fromEntries(Object.entries(made).filter(([name]) => name !== "$schema"));
}

const securitySchemes = {
  session: { type: "apiKey", in: "cookie", name: "holdpoint_session", description: "A signed-in person" },
  token: { type: "http", scheme: "bearer", description: "An API token of a program" },
  agent: {
    ...{ type: "apiKey", in: "header", name: "signature" },
    description:
      "Ed25519 signature over method, path, query and body (RFC 9421), with signature-input and content-digest",
  },
};

const problem = {
  type: "object",
  required: ["type", "title", "status", "code", "message", "hint", "retry"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    id: { type: ["string", "null"] },
    code: { type: "string", enum: Object.keys(errorCatalogue) },
    message: { type: "string" },
    hint: { type: "string" },
    retry: { type: "string", enum: ["never", "backoff", "after-change"] },
    retryAfterMs: { type: "number" },
  },
};

const problemResponse = {
  description: "A refusal",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** To clients of another protocol, in its words; a browser is told in the hub's own. */
const foreignRefusal = {
  description: "A refusal, with the name of the exception in the header x-amzn-errortype",
  content: {
    "application/json": {
      schema: { type: "object", required: ["Message"], properties: { Message: { type: "string" } } },
    },
    ...problemResponse.content,
  },
};
