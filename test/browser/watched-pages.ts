import { type Browser, type BrowserContext, type Page } from "playwright-core";

/** Pages that a test opens, and what went wrong in them beside what it looks at. */
export class WatchedPages {
  readonly #contexts: BrowserContext[] = [];
  readonly #faults: string[] = [];

  async open(browser: Browser, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    this.#contexts.push(context);
    context.on("weberror", (fault) => this.#faults.push(fault.error().message));
    context.on("console", (line) => {
      if (/Content.Security.Policy|Trusted/i.test(line.text())) this.#faults.push(line.text());
    });
    context.on("dialog", (dialog) => this.#faults.push(dialog.message()));
    return context.newPage();
  }

  /** Closes all of them. Errors of scripts, refusals of the policy and dialogs since the last call: a test wants none. */
  async close(): Promise<readonly string[]> {
    for (const context of this.#contexts.splice(0)) await context.close();
    return this.#faults.splice(0);
  }
}
