import { type SigningKey } from "../../protocol/platform/signing.node.ts";
import { type BundleParts } from "./config/config-bundle.ts";
import { configRoutes } from "./config/config-routes.ts";
import { fleetRoutes } from "./fleet/fleet-routes.ts";
import { bundleCertificates } from "./gate/bundle-certificates.ts";
import { createGateRoom } from "./gate/gate-room.ts";
import { watchPresence } from "./fleet/presence.ts";
import { liveRoom } from "./live/live-room.ts";
import { type HubParts, type HubRoom } from "./room.ts";
import { type CaseListener } from "./cases/case-opening.ts";
import { type PictureVault } from "./blobs/picture-vault.ts";
import { privacyRoom } from "./privacy/privacy-room.ts";
import { webhookRoutes } from "./webhooks/webhook-routes.ts";
import { createWebhookSender } from "./webhooks/webhook-sender.node.ts";
import { startWebhookWorker } from "./webhooks/webhook-worker.ts";

/** The rooms with which operators run a fleet: config, stores, webhooks, live views, privacy. */
export interface OperationsOptions {
  readonly key: SigningKey;
  readonly vault: PictureVault;
  readonly listener: CaseListener;
  readonly allowedWebhookHosts: readonly string[];
}

export function openOperations(parts: HubParts, options: OperationsOptions): readonly HubRoom[] {
  const sign = (bytes: Uint8Array): Promise<Uint8Array> => options.key.signAside(bytes);
  const certificatesOf: BundleParts["certificatesOf"] = (db, store) => bundleCertificates(db, store, sign);
  const sender = createWebhookSender({ allow: options.allowedWebhookHosts });
  return [
    { routes: configRoutes({ ...parts, sign, certificatesOf }) },
    { routes: fleetRoutes({ ...parts, certificatesOf }), start: () => watchPresence(parts) },
    createGateRoom(parts),
    liveRoom(parts),
    privacyRoom({ ...parts, vault: options.vault, listener: options.listener }),
    { routes: webhookRoutes({ ...parts, sender }), start: () => startWebhookWorker({ ...parts, sender }) },
  ];
}
