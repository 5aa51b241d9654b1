import { childHost } from "../../models/index.node.ts";
import { findByPath, pair, wantedAt } from "./models-fixtures.ts";

// A process with an inference child that is stuck in a run, for the test that kills the parent.
const host = childHost({ find: findByPath });
await host.apply([wantedAt("sides", process.argv[2] ?? "")]);
void host.predict("sides", "forever", pair(1e18, 0));
process.send?.(host.pids()[0]);
