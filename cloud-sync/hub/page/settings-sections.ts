import type { Permission } from "../api/caller.ts";
import { addressOf, type Query } from "./router.ts";
import { may, ownsAll, type SignedIn } from "./session.ts";

/** The sections of the settings beside one's own account, each at an address of its own. */
const sectionNames = ["rules", "retention", "webhooks"] as const;
export type SectionName = (typeof sectionNames)[number];

interface Section {
  readonly title: string;
  /** The permission without which the hub shows nothing of it. */
  readonly needed: Permission;
  /** Only for those who are answerable for every store and task. */
  readonly isOfAll?: boolean;
}

export const sections: Readonly<Record<SectionName, Section>> = {
  rules: { title: "Review rules", needed: "cases.read" },
  retention: { title: "Retention", needed: "cases.read" },
  webhooks: { title: "Webhooks", needed: "settings.write", isOfAll: true },
};

/** The sections that this person may see. */
export function sectionsOf(me: SignedIn): readonly SectionName[] {
  return sectionNames.filter((name) => {
    const { needed, isOfAll = false } = sections[name];
    return may(me, needed) && (!isOfAll || ownsAll(me));
  });
}

export function sectionAddress(name: SectionName, query: Query = {}): string {
  return addressOf("settings", name, query);
}
