export { type EffectiveConfig, type TaskPolicy } from "./policy.ts";
