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

// Static builds into the package: the review page of the store, which the agent serves, and (`--mode hub`) the hub's.
export default defineConfig(({ mode }) => ({
  root: mode === "hub" ? "cloud-sync/hub/page" : "cloud-sync/review/page",
  base: "/",
  plugins: [fontLicence()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: mode === "hub" ? "../../../dist/hub-page" : "../../../dist/review-page",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy has no `data:`; everything is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One stylesheet: it is small, and no page flashes up without its part of it.
    cssCodeSplit: false,
  },
}));
