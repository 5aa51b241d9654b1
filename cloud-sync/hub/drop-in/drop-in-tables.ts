/** Tables of the drop-ins: what other systems' own names are for what the hub has. */
export interface DropInTables {
  /** Access keys with which clients sign their calls (SigV4). */
  readonly work_keys: {
    readonly key_id: string;
    /** As it is: whoever checks an HMAC needs the secret itself, and a hash of it would be no less good to a thief. */
    readonly secret: string;
    readonly name: string;
    /** JSON arrays; null means every one. */
    readonly stores: string | null;
    readonly tasks: string | null;
    readonly made_ms: number;
    readonly made_by: string;
    /** Last call, to within a minute. */
    readonly used_ms: number | null;
    readonly revoked_ms: number | null;
  };
  /** Human review workflows of Amazon A2I, under the ARNs that their callers know. */
  readonly a2i_flows: {
    readonly arn: string;
    readonly store: string;
    readonly task: string;
    /** `FlowSettings` (JSON). */
    readonly body: string;
    readonly made_ms: number;
    readonly made_by: string;
  };
  readonly a2i_loops: {
    /** Unique at this hub. */
    readonly name: string;
    readonly arn: string;
    readonly flow_arn: string;
    readonly store: string;
    readonly task: string;
    readonly case_id: string;
    /** SHA-256 over flow and input: the same name with another one is a conflict. */
    readonly digest: string;
    /** InputContent as it came; `null` once the case is erased. */
    readonly input: string;
    /** The key that what people answer is called by in the output. */
    readonly answer_name: string;
    readonly created_ms: number;
    readonly stopped_ms: number | null;
    readonly made_by: string;
  };
  /** Tasks of Label Studio that are cases of this hub: an annotation may name its task by number only. */
  readonly label_studio_tasks: {
    /** `token|project|task`. */
    readonly task_key: string;
    readonly decision_id: string;
  };
}
