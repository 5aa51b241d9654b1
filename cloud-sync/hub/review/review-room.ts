import { reviewActions, type ReviewAction } from "../../review/review-actions.ts";
import { type ReviewPolicy } from "../../review/review-machine.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { createStreams } from "../../review/stream.ts";
import { reviewLimits } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { type HubRoute } from "../api/hub-route.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type CaseListener } from "../cases/case-opening.ts";
import { caseRoutes } from "../cases/case-routes.ts";
import { type HubParts, type HubRoom } from "../room.ts";
import { type GatePort } from "./gate-port.ts";
import { createHubReviewStore } from "./hub-review-store.ts";
import { handOverRoutes } from "./hand-over-routes.ts";
import { queueRoutes } from "./queue-routes.ts";
import { createReviewListener } from "./review-listener.ts";
import { hubReviewPolicy, type ReviewParts } from "./review-parts.ts";
import { reviewerOf } from "./reviewer-of.ts";
import { rulesRoutes } from "./rules-routes.ts";

/** The hub's review room: what reviewers, leads and whoever reads cases ask of it. */
export interface ReviewRoomOptions extends HubParts {
  readonly vault: Pick<PictureVault, "open">;
  readonly policy?: Partial<ReviewPolicy>;
  readonly gate: GatePort;
  /** Told of every answer that leaves, in its transaction: for roads by which cases came that have no agent. */
  readonly onDecided?: ReviewParts["onDecided"];
}

export interface ReviewRoom extends HubRoom {
  /** What ingest tells of cases. */
  readonly listener: CaseListener;
}

/** Pages that one process serves; a page opens one stream, and comes to another process where there is no room. */
const streamsMax = 2_000;

export function createReviewRoom(options: ReviewRoomOptions): ReviewRoom {
  const { onDecided = () => Promise.resolve() } = options;
  const parts: ReviewParts = { ...options, policy: { ...hubReviewPolicy, ...options.policy }, onDecided };
  const store = createHubReviewStore({ ...parts, vault: options.vault });
  const streams = createStreams(parts.timers, { streamsMax });
  const { leaseMs } = parts.policy;
  const actions = reviewActions({ store, streams, clock: parts.clock, leaseMs, storeNameOf });
  return {
    listener: createReviewListener(parts),
    routes: [
      ...actions.map(routeOf),
      ...handOverRoutes({ ...parts, vault: options.vault, store }),
      ...queueRoutes(parts),
      ...rulesRoutes(parts),
      ...caseRoutes({ ...parts, vault: options.vault }),
    ],
    start: () => {
      store.sweeper.start();
      return async () => {
        streams.closeAll();
        await store.close();
      };
    },
  };
}

/** The page's API as the agent has it, behind the hub's own sign-in. */
function routeOf(action: ReviewAction): HubRoute {
  const { method, path, operation, body, reply } = action;
  return {
    ...{ method, path, reply },
    operation: { ...operation, tag: "review" },
    access: "review",
    ...(body ? { body, bodyBytesMax: reviewLimits.bodyBytesMax } : {}),
    // A repeated claim, submit or undo changes nothing by itself.
    idempotent: true,
    handle: ({ caller, params, body: content, exchange }) =>
      action.handle(reviewerOf(caller as PersonCaller), { params, body: content, gone: exchange.gone }),
  };
}

function storeNameOf({ scope }: Reviewer): string {
  const stores = scope?.stores ?? null;
  return stores === null ? "all stores" : stores.join(", ");
}
