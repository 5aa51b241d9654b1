import { type ComponentType, type JSX } from "preact";
import { Empty, PageHead } from "../parts/parts.tsx";
import { sectionsOf, type SectionName } from "../settings-sections.ts";
import { useSite } from "../site.ts";
import { AccountSettings } from "./settings-account.tsx";
import { SettingsNav } from "./settings-nav.tsx";
import { RetentionSettings } from "./settings-retention.tsx";
import { RulesSettings } from "./settings-rules.tsx";
import { WebhookSettings } from "./settings-webhooks.tsx";

const sectionPages: Readonly<Record<SectionName, ComponentType>> = {
  rules: RulesSettings,
  retention: RetentionSettings,
  webhooks: WebhookSettings,
};

/** One's own account at `/settings`, and below it what holds for the whole hub, a section each. */
export function SettingsPage(): JSX.Element {
  const { place, me } = useSite();
  if (place.id === null) return <AccountSettings />;
  const name = sectionsOf(me).find((known) => known === place.id);
  if (name === undefined) return <NoSection />;
  const Section = sectionPages[name];
  return <Section key={name} />;
}

function NoSection(): JSX.Element {
  return (
    <main id="main" class="page">
      <PageHead title="Settings" />
      <SettingsNav />
      <Empty title="There is no such section, or it is not for your role." />
    </main>
  );
}
