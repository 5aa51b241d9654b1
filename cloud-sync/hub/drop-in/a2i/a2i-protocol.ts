import { z } from "zod";
import { HoldpointError, jsonReply, type ErrorCode, type Reply } from "../../../../protocol/index.ts";

/** Shapes of the Amazon A2I runtime API (2019-11-07, REST-JSON) as its clients send and expect them. */

export const flowArnSchema = z
  .string()
  .max(1024)
  .regex(/^arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:flow-definition\/[a-z0-9][a-z0-9-]{0,62}$/, {
    error: "must be the ARN of a flow definition",
  });

export const loopNameSchema = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9](-*[a-z0-9])*$/, { error: "must be small letters, digits and dashes" });

/** Characters of InputContent. */
const inputCharsMax = 3 * 1024 * 1024;

export const startSchema = z.object({
  HumanLoopName: loopNameSchema,
  FlowDefinitionArn: flowArnSchema,
  HumanLoopInput: z.object({ InputContent: z.string().min(1).max(inputCharsMax) }),
  DataAttributes: z
    .object({
      ContentClassifiers: z.array(z.enum(["FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent"])).max(256),
    })
    .nullish(),
});

export const stopSchema = z.object({ HumanLoopName: loopNameSchema });

const timestamp = z
  .string()
  .max(64)
  .transform((text, context) => {
    const ms = Date.parse(text);
    if (Number.isFinite(ms)) return ms;
    context.addIssue("must be a time");
    return z.NEVER;
  });

const loopsMax = 100;
export const listSchema = z.object({
  FlowDefinitionArn: flowArnSchema,
  CreationTimeAfter: timestamp.optional(),
  CreationTimeBefore: timestamp.optional(),
  SortOrder: z.enum(["Ascending", "Descending"]).default("Ascending"),
  NextToken: z.string().max(8192).optional(),
  MaxResults: z.coerce.number().int().min(1).max(loopsMax).default(loopsMax),
});
export type ListQuery = z.output<typeof listSchema>;

export type LoopStatus = "InProgress" | "Failed" | "Completed" | "Stopped";

/** What AWS calls our refusals, with its HTTP status. */
const exceptions: Partial<Record<ErrorCode, readonly [name: string, status: number]>> = {
  HP_UNAUTHORIZED: ["MissingAuthenticationTokenException", 403],
  HP_TOKEN: ["UnrecognizedClientException", 403],
  HP_FORBIDDEN: ["InvalidSignatureException", 403],
  HP_CLOCK: ["InvalidSignatureException", 403],
  HP_NOT_FOUND: ["ResourceNotFoundException", 404],
  HP_CONFLICT: ["ConflictException", 409],
  HP_RATE: ["ThrottlingException", 429],
};

/** A refusal as an AWS client reads it: the name in `x-amzn-errortype`, the text in `Message`. */
export function awsRefusal(error: HoldpointError): Reply {
  const isOurs = error.status >= 500;
  const other = isOurs ? (["InternalServerException", 500] as const) : (["ValidationException", 400] as const);
  const [name, status] = exceptions[error.code] ?? other;
  return jsonReply({ Message: error.message }, status, { "x-amzn-errortype": name });
}

/** `2020-06-18T17:08:26.246Z`. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** Reads a body or a query. Errors: HP_SCHEMA, which clients know as ValidationException. */
export function checkedShape<S extends z.ZodType>(value: unknown, schema: S): z.output<S> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new HoldpointError("HP_SCHEMA", issue ? `${issue.path.join(".")}: ${issue.message}` : "another shape");
}
