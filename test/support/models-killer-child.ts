import { serveInference } from "../../models/runtimes/inference-serve.node.ts";
import { onnxruntimeNode } from "../../models/runtimes/onnxruntime.node.ts";
import { type Runtime } from "../../models/runtimes/runtime.ts";

// An inference child whose native code crashes on demand: a row that begins with 666 ends the process, as a memory fault
// in a library would; a manifest that is named "crash-on-load" ends it while the model is loaded.
const killer: Runtime = {
  load: async (model, manifest, options) => {
    if (manifest.name === "crash-on-load") process.kill(process.pid, "SIGSEGV");
    const session = await onnxruntimeNode.load(model, manifest, options);
    return {
      ...session,
      run: (rows, count) => {
        for (let row = 0; row < count; row += 1) {
          if (rows.data[row * rows.elements] === 666) process.kill(process.pid, "SIGSEGV");
        }
        return session.run(rows, count);
      },
    };
  },
};

serveInference(killer);
