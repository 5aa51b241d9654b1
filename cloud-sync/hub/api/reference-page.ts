import { type OpenApiDocument, type OpenApiOperation } from "./openapi.ts";

/** The reference as one static page: no script at all, and every text of the document escaped. */
export function referencePage(document: OpenApiDocument): string {
  const sections = document.tags.map(({ name }) => tagSection(document, name));
  const links = document.tags.map(({ name }) => `<li><a href="#${escaped(name)}">${escaped(name)}</a></li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(document.info.title)} · API</title>
<link rel="stylesheet" href="/docs/api.css">
</head>
<body>
<nav aria-label="Parts"><ul>${links.join("")}</ul></nav>
<main>
<h1>${escaped(document.info.title)} API</h1>
${document.info.description
  .split("\n")
  .map((line) => `<p>${marked(line)}</p>`)
  .join("\n")}
<p><a href="/openapi.json">openapi.json</a></p>
${sections.join("\n")}
</main>
</body>
</html>
`;
}

function tagSection(document: OpenApiDocument, tag: string): string {
  const parts = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag))
      .map(([method, operation]) => operationSection(method, path, operation)),
  );
  return `<section aria-labelledby="${escaped(tag)}"><h2 id="${escaped(tag)}">${escaped(tag)}</h2>${parts.join("")}</section>`;
}

function operationSection(method: string, path: string, operation: OpenApiOperation): string {
  const rows = operation.parameters.map(
    ({ name, in: place, required, schema }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${place}${required ? ", required" : ""}</td><td><code>${json(schema)}</code></td></tr>`,
  );
  const parameters = rows.length === 0 ? "" : `<table><tbody>${rows.join("")}</tbody></table>`;
  const { requestBody, responses } = operation;
  return `<article id="${escaped(operation.operationId)}">
<h3><code><b>${method.toUpperCase()}</b> ${escaped(path)}</code></h3>
<p>${marked(operation.summary)}. ${marked(operation.description)}</p>
${parameters}
${requestBody ? details("Body", requestBody.content) : ""}
${Object.entries(responses).map(answerText).join("")}
</article>
`;
}

/** The refusals are the same everywhere, and said once. */
function answerText([status, response]: readonly [string, unknown]): string {
  if (status === "default") return "";
  const { content } = response as { readonly content?: unknown };
  return content === undefined ? `<p>Answer: ${status}, without a body.</p>` : details(`Answer ${status}`, content);
}

function details(title: string, content: unknown): string {
  return `<details><summary>${title}</summary><pre>${json(content, 2)}</pre></details>`;
}

function json(value: unknown, indent?: number): string {
  return escaped(JSON.stringify(value, null, indent));
}

/** Escapes, and sets what stands between backquotes as code. */
function marked(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "");
}

export const referenceStyle = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; display: grid; grid-template-columns: 12rem minmax(0, 1fr); }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: auto; padding: 1rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: 0.25rem 0; }
main { padding: 1rem 2rem 4rem; max-width: 60rem; }
article { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: 0.5rem 0 1rem; }
h3 { font-size: 1rem; margin: 0.5rem 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: 0.875rem; }
td { padding: 0.125rem 1rem 0.125rem 0; vertical-align: top; overflow-wrap: anywhere; }
pre { overflow: auto; padding: 0.75rem; font-size: 0.8125rem; background: color-mix(in srgb, currentColor 7%, transparent); }
summary { cursor: pointer; padding: 0.25rem 0; }
@media (max-width: 48rem) { body { display: block; } nav { position: static; } main { padding: 1rem; } }
`;
