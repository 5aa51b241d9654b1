import { openModels } from "../../models/index.node.ts";
import { modelHostContract } from "../contract/model-host.contract.ts";

modelHostContract("in this process", (options) => openModels({ ...options, isolation: "inline" }));
modelHostContract("in a child process", (options) => openModels({ ...options, isolation: "child" }));
