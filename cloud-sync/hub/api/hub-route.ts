import { type z } from "zod";
import { type Exchange, type HoldpointError, type Reply, type Route } from "../../../protocol/index.ts";
import { type AgentCaller, type Permission, type PersonCaller } from "./caller.ts";

/**
 * A route of the hub as data. Method, path, who may call it and the schemas of what goes in and out are written once:
 * the gateway enforces them and the OpenAPI document is made of them, so that neither can drift from the other.
 */
export interface HubRoute {
  readonly method: Route["method"];
  /** Path with parameters: `/v1/cases/:id`. */
  readonly path: string;
  readonly operation: {
    /** camelCase, unique: the name of the operation in OpenAPI. */
    readonly id: string;
    /** One sentence without a full stop. */
    readonly summary: string;
    readonly tag: string;
  };
  /** `public`: anybody. `agent`: a signed request of an enrolled agent. Else the permission that a person needs. */
  readonly access: "public" | "agent" | Permission;
  readonly query?: z.ZodType;
  /** Schema of the JSON body. Without it the body is not read; `bytes` reads it as it is. */
  readonly body?: z.ZodType | "bytes";
  /** True only for what `body` takes as it is: the short way of calls that come by the thousand. False says nothing. */
  readonly isPlain?: (body: unknown) => boolean;
  /** Largest body that is read, where it is another than the gateway's. HP_TOO_LARGE above it. */
  readonly bodyBytesMax?: number;
  /** Calls that are read, wait or run at once; HP_BUSY above it, before a body is read. */
  readonly placesMax?: number;
  /** Schema of the JSON answer, or the content type of one that the handler makes itself. */
  readonly reply: z.ZodType | { readonly contentType: string };
  /** Statuses of that answer; 200, or 204 where it is nothing. */
  readonly statuses?: readonly number[];
  /** A GET that changes nothing needs no Idempotency-Key; other methods of people and programs honour one. */
  readonly idempotent?: boolean;
  /** The answer carries a secret: it is not kept, so a repeat under the same Idempotency-Key is refused. */
  readonly secret?: boolean;
  /** Says no in the words of another protocol (an AWS client's); problem+json otherwise. */
  readonly refusal?: (error: HoldpointError) => Reply;
  /** For the reference; tests hold them against the schemas. */
  readonly examples?: { readonly query?: unknown; readonly body?: unknown; readonly reply?: unknown };
  handle(call: HubCall): Promise<unknown>;
}

interface HubCall {
  /** Null on public routes that nobody is signed in to. */
  readonly caller: PersonCaller | AgentCaller | null;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  readonly exchange: Exchange;
}

type Content = z.ZodType | "bytes";
type ContentOf<B extends Content> = B extends z.ZodType ? z.output<B> : Uint8Array;

interface Typed<Q extends z.ZodType, B extends Content, C> {
  readonly caller: C;
  readonly params: Readonly<Record<string, string>>;
  readonly query: z.output<Q>;
  readonly body: ContentOf<B>;
  readonly exchange: Exchange;
}

type Shared = Pick<
  HubRoute,
  | "method"
  | "path"
  | "operation"
  | "isPlain"
  | "bodyBytesMax"
  | "placesMax"
  | "statuses"
  | "idempotent"
  | "secret"
  | "refusal"
  | "examples"
>;
/** Another status than 200 is a Response of its own. */
type Answer<R> = R extends z.ZodType ? z.input<R> | Response : Response | Reply;

interface Spec<Q extends z.ZodType, B extends Content, R extends HubRoute["reply"], C> extends Shared {
  readonly query?: Q;
  readonly body?: B;
  readonly reply: R;
  readonly handle: (call: Typed<Q, B, C>) => Promise<Answer<R>>;
}

/** A route for people (and programs) with that permission; the handler gets what the schemas promise. */
export function personRoute<Q extends z.ZodType, B extends Content, R extends HubRoute["reply"]>(
  access: Permission,
  spec: Spec<Q, B, R, PersonCaller>,
): HubRoute {
  return { ...spec, access };
}

/** A route for enrolled agents: the request is signed, the body is JSON or MessagePack of that schema, or bytes. */
export function agentRoute<Q extends z.ZodType, B extends Content, R extends HubRoute["reply"]>(
  spec: Spec<Q, B, R, AgentCaller>,
): HubRoute {
  return { ...spec, access: "agent" } as unknown as HubRoute;
}

/** A route that anybody may call. */
export function publicRoute<Q extends z.ZodType, B extends Content, R extends HubRoute["reply"]>(
  spec: Spec<Q, B, R, PersonCaller | null>,
): HubRoute {
  return { ...spec, access: "public" } as unknown as HubRoute;
}
