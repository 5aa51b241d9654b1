import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** The font is ours to serve on condition that its licence travels with it (SIL Open Font License 1.1, clause 2). */
function fontLicence(): Plugin {
  return {
    name: "font-licence",
    generateBundle() {
      const source = readFileSync(
        new URL("LICENSE", import.meta.resolve("@fontsource-variable/inter/package.json")),
        "utf8",
      );
      this.emitFile({ type: "asset", fileName: "assets/inter-licence.txt", source });
    },
  };
}

// The review page: a static build into the package, served by the agent (and later the hub) from `/review`.
export default defineConfig({
  root: "cloud-sync/review/page",
  base: "/",
  plugins: [fontLicence()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../../../dist/review-page",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy has no `data:`; everything is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
