import { type ComponentType, type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Empty } from "../parts/parts.tsx";
import { type PageName } from "../router.ts";

/** Each page is a file of its own, loaded when somebody goes there. */
const loaders: Readonly<Record<PageName, () => Promise<ComponentType>>> = {
  review: () => import("../pages/review-page.tsx").then((module) => module.ReviewPage),
  queues: () => import("../pages/queues-page.tsx").then((module) => module.QueuesPage),
  cases: () => import("../pages/cases-page.tsx").then((module) => module.CasesPage),
  stores: () => import("../pages/stores-page.tsx").then((module) => module.StoresPage),
  automation: () => import("../pages/automation-page.tsx").then((module) => module.AutomationPage),
  gates: () => import("../pages/gates-page.tsx").then((module) => module.GatesPage),
  people: () => import("../pages/people-page.tsx").then((module) => module.PeoplePage),
  config: () => import("../pages/config-page.tsx").then((module) => module.ConfigPage),
  audit: () => import("../pages/audit-page.tsx").then((module) => module.AuditPage),
  settings: () => import("../pages/settings-page.tsx").then((module) => module.SettingsPage),
};

const known = new Map<PageName, ComponentType>();

export function PageHere({ page }: { readonly page: PageName }): JSX.Element {
  const [, redraw] = useState(0);
  const [isLost, setLost] = useState(false);
  const Page = known.get(page);
  useEffect(() => {
    setLost(false);
    if (known.has(page)) return;
    void loaders[page]().then(
      (loaded) => {
        known.set(page, loaded);
        redraw((count) => count + 1);
      },
      () => setLost(true),
    );
  }, [page]);
  if (Page) return <Page key={page} />;
  return (
    <main id="main" class="page" aria-busy={!isLost}>
      {isLost ? <Empty title="This page could not be loaded.">Reload when the hub is back.</Empty> : null}
    </main>
  );
}
