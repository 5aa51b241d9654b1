export { type DecisionTrace, type Finding, type Scored } from "./trace.ts";
