import { type Role } from "../../cloud-sync/hub/api/caller.ts";
import { gatewayRoutes } from "../../cloud-sync/hub/api/gateway.ts";
import { createRepeats } from "../../cloud-sync/hub/api/repeats.ts";
import { dropInRoutes } from "../../cloud-sync/hub/drop-in/drop-in.ts";
import { createApiToken, programOf } from "../../cloud-sync/hub/people/api-tokens.ts";
import { createHubReviewStore, type HubReviewStore } from "../../cloud-sync/hub/review/hub-review-store.ts";
import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { silentLogger, type ReviewAnswer, type ReviewCase } from "../../protocol/index.ts";
import { serveHttp } from "../../protocol/platform/http-server.node.ts";
import { openReviewPlace, type PlaceOptions, type ReviewPlace } from "./hub-review.ts";

/** The drop-ins of a hub over HTTP with its real review room; an answer counts at once, without ten seconds of undo. */
export interface DropInPlace extends ReviewPlace {
  readonly url: string;
  readonly store: HubReviewStore;
  /** An API token of an operator, for these stores and tasks. */
  token(grant?: {
    readonly stores?: readonly string[];
    readonly tasks?: readonly string[];
    readonly role?: Role;
  }): Promise<string>;
  /** The next case of a reviewer; fails where there is none. */
  nextCase(reviewer?: Reviewer): Promise<ReviewCase>;
  /** Answers the next case and waits until the answer counts. */
  answerNext(answer: ReviewAnswer | string, reviewer?: Reviewer): Promise<ReviewCase>;
}

export const reviewer = (name: string): Reviewer => ({
  key: `session-${name}`,
  name,
  scope: { person: `person-${name}`, stores: null, tasks: null, skills: [], isLead: false },
});

export async function openDropInPlace(options: PlaceOptions = {}): Promise<DropInPlace> {
  const place = await openReviewPlace({ ...options, policy: { undoWindowMs: 0 } });
  const { parts, vault, listener, database } = place;
  const store = createHubReviewStore({ ...parts, vault });
  const routes = dropInRoutes({ ...parts, vault, listener, publicUrl: null });
  const server = await serveHttp({
    routes: gatewayRoutes(routes, {
      doors: {
        agent: () => Promise.reject(new Error("no agents here")),
        person: async (exchange) => {
          const caller = await programOf(parts, exchange);
          return caller && { caller, isBrowser: false };
        },
      },
      repeats: createRepeats(parts),
      isOwnHost: () => true,
      bodyBytesMax: 256 * 1024,
      logger: silentLogger,
    }),
    ...{ host: "127.0.0.1", port: 0, bodyBytesMax: 9 * 1024 * 1024, connectionsMax: 100, logger: silentLogger },
  });
  const nextCase = async (who = reviewer("Ana")): Promise<ReviewCase> => {
    const { cases } = await store.next(who, 1);
    const [first] = cases;
    if (!first) throw new Error("nobody is asked anything");
    return first;
  };
  return {
    ...{ ...place, url: server.url, store, nextCase },
    token: async ({ stores, tasks, role = "operator" } = {}) => {
      const grant = { stores: stores ?? null, tasks: tasks ?? null };
      const made = await database.write((trx) =>
        createApiToken(parts, trx, "hub", { name: "store system", roles: [role], ...grant, validMs: null }),
      );
      return made.token;
    },
    answerNext: async (answer, who = reviewer("Ana")) => {
      const held = await nextCase(who);
      const submitted = await store.submit(who, held.id, {
        answer: typeof answer === "string" ? { kind: "label", label: answer } : answer,
        ...{ generation: held.lease?.generation ?? 0, reviewId: `r-${held.id}`, tookMs: 1500 },
      });
      if (!submitted.ok) throw submitted.error;
      await store.sweeper.sweep();
      return held;
    },
    close: async () => {
      await server.close();
      await store.close();
      await place.close();
    },
  };
}
