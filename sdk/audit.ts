import { auditPropensity } from "../models/index.ts";
import { encodedText, type Hasher } from "../protocol/index.ts";

/** The coins of a case, each uniform in [0, 1). */
export interface Coin {
  readonly audit: number;
  readonly rules: number;
}

/**
 * HMAC-SHA-256 of the id under the agent's secret. Fixed by the id, so that a repeat gets the same coin; unpredictable
 * without the secret, so that no device can choose ids that are never audited. Each coin has 48 bits.
 */
export function coinOf(hasher: Hasher, secret: Uint8Array, id: string): Coin {
  const mac = hasher.hmacSha256(secret, encodedText(id));
  const view = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
  const at = (offset: number): number => (view.getUint32(offset) * 65_536 + view.getUint16(offset + 4)) / 2 ** 48;
  return { audit: at(0), rules: at(6) };
}

/** How an accepted decision, or one that goes to people, is sampled. */
export interface Sampling {
  /** Chance that people look at it: 1 for an escalation. */
  readonly propensity: number;
  /** Of the sub-sample that is drawn without a look at the confidence: half of the audit share. */
  readonly uniform: boolean;
}

/**
 * The sampling of an accepted decision: half of the share uniformly, half where a label tells most. Never 0 while
 * anything is audited, and everything where the share is 1.
 *
 * @param scale running mean of the spread √(f(1 − f)) over accepted decisions; 0 until there is one
 */
export function auditSampling(coin: number, confidence: number, scale: number, auditShare: number): Sampling {
  const propensity = auditShare >= 1 ? 1 : auditPropensity(confidence, scale, auditShare);
  return { propensity, uniform: coin < auditShare / 2 };
}

/** Decisions over which the scale is a running mean, before it follows what comes now. */
const scaleDecisionsMax = 1000;

/** The spread of a task's accepted decisions so far. */
export interface AuditScale {
  readonly mean: number;
  readonly decisions: number;
}

export const noScale: AuditScale = Object.freeze({ mean: 0, decisions: 0 });

export function scaledBy({ mean, decisions }: AuditScale, spread: number): AuditScale {
  const count = Math.min(decisions + 1, scaleDecisionsMax);
  return { mean: mean + (spread - mean) / count, decisions: count };
}
