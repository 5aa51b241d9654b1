import { type Page } from "playwright-core";

/** What is wider than its room, so that a reader would have to scroll sideways for it: the page, its main part, a table. */
export async function cutOff(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    for (const closed of document.querySelectorAll("details")) closed.open = true;
    const rooms = [document.documentElement, ...document.querySelectorAll<HTMLElement>("main, .table-room")];
    return rooms
      .map((room) => [room.getAttribute("aria-label") ?? room.tagName, room.scrollWidth - room.clientWidth] as const)
      .filter(([, overflowPx]) => overflowPx > 0)
      .map(([name, overflowPx]) => `${name}: ${overflowPx} px`);
  });
}
