import { onnxruntimeNode } from "./onnxruntime.node.ts";
import { serveInference } from "./inference-serve.node.ts";

// Entry of the inference child: forked by `child-host.node.ts`, never imported.
serveInference(onnxruntimeNode);
