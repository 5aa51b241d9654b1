import { type JSX } from "preact";
import { Mark } from "../../../review/page/icons.tsx";
import { addressOf, type PageName } from "../router.ts";
import { pagesOf } from "../session.ts";
import { useSite } from "../site.ts";

interface PageText {
  readonly name: string;
  /** After `g`. */
  readonly key: string;
  /** Line icon, 24 × 24. */
  readonly path: string;
}

export const pageTexts: Readonly<Record<PageName, PageText>> = {
  review: { name: "Review", key: "r", path: "M4 5.5h16v11H4ZM9 20h6M12 16.5V20M8.5 11l2.4 2.4L15.5 9" },
  queues: { name: "Queues", key: "q", path: "M4 6h16M4 11h16M4 16h10M4 20.5h6" },
  stores: { name: "Stores", key: "s", path: "M4 9.5 5.5 4h13L20 9.5M4 9.5h16M5.5 9.5V20h13V9.5M10 20v-6h4v6" },
  cases: { name: "Cases", key: "c", path: "M6 3.5h8l4 4V20H6ZM14 3.5v4h4M9 12h6M9 15.5h6" },
  automation: { name: "Automation", key: "a", path: "M4 20V4M4 20h16M7.5 15.5l4-5 3 3L19.5 7" },
  gates: { name: "Gates", key: "e", path: "M5 20V4M19 20V4M5 8h14M5 14h5M14 14h5M12 11.5v5" },
  people: {
    name: "People",
    key: "p",
    path: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c0-3.6 2.9-5.5 6.5-5.5s6.5 1.9 6.5 5.5M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.9c2.1.7 3.5 2.4 3.5 5.1",
  },
  config: {
    name: "Config",
    key: "f",
    path: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  },
  audit: {
    name: "Audit log",
    key: "l",
    path: "M12 3.5 19.5 6v6c0 4.5-3.2 7.3-7.5 8.5C7.7 19.3 4.5 16.5 4.5 12V6ZM9 12l2.2 2.2L15.2 10",
  },
  settings: {
    name: "Settings",
    key: "t",
    path: "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM12 3v2.5M12 18.5V21M21 12h-2.5M5.5 12H3M18.4 5.6l-1.8 1.8M7.4 16.6l-1.8 1.8M18.4 18.4l-1.8-1.8M7.4 7.4 5.6 5.6",
  },
};

/** The way to every page that this person can use. */
export function Rail(): JSX.Element {
  const { me, place } = useSite();
  return (
    <nav class="rail" aria-label="Pages">
      <a class="rail-mark" href="/" aria-label="Holdpoint, first page">
        <Mark size={30} />
      </a>
      <ul>
        {pagesOf(me).map((page) => (
          <li key={page}>
            <a
              class="rail-link"
              href={addressOf(page)}
              {...(place.page === page ? { "aria-current": "page" as const } : {})}
            >
              <svg class="icon" width="22" height="22" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
                <path d={pageTexts[page].path} />
              </svg>
              <span>{pageTexts[page].name}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
