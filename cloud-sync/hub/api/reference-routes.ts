import { type Reply } from "../../../protocol/index.ts";
import { publicRoute, type HubRoute } from "./hub-route.ts";
import { openApiDocument } from "./openapi.ts";
import { referencePage, referenceStyle } from "./reference-page.ts";

/** Version of the interface, not of the package: it changes when callers must change. */
const interfaceVersion = "1.0.0";

/** The routes, and those that tell of all of them. */
export function withReference(routes: readonly HubRoute[]): readonly HubRoute[] {
  const own = { tag: "reference" };
  const answers = new Map<string, Reply>();
  const page = (path: string, operation: HubRoute["operation"], contentType: string, text: () => string): HubRoute =>
    publicRoute({
      ...{ method: "GET", path, operation, reply: { contentType } },
      handle: () => {
        // Made once, when somebody asks: it is the same for everybody.
        const known = answers.get(path) ?? {
          status: 200,
          headers: { ...headers, "content-type": contentType },
          body: text(),
        };
        answers.set(path, known);
        return Promise.resolve(known);
      },
    });
  const all: readonly HubRoute[] = [
    ...routes,
    page(
      "/openapi.json",
      { ...own, id: "getOpenApi", summary: "This interface as an OpenAPI 3.1 document" },
      "application/json",
      () => JSON.stringify(openApiDocument(all, interfaceVersion)),
    ),
    page(
      "/docs/api",
      { ...own, id: "getReferencePage", summary: "This interface as a page to read" },
      "text/html; charset=utf-8",
      () => referencePage(openApiDocument(all, interfaceVersion)),
    ),
    page(
      "/docs/api.css",
      { ...own, id: "getReferenceStyle", summary: "How that page looks" },
      "text/css; charset=utf-8",
      () => referenceStyle,
    ),
  ];
  return all;
}

const headers = {
  "cache-control": "no-cache",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
};
