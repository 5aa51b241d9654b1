import type { Permission } from "../api/caller.ts";
import { addressOf } from "./router.ts";
import { may, type SignedIn } from "./session.ts";

/** The sections of the settings beside one's own account, each at an address of its own. */
const sectionNames = ["rules", "retention"] as const;
export type SectionName = (typeof sectionNames)[number];

interface Section {
  readonly title: string;
  /** The permission without which the hub shows nothing of it. */
  readonly needed: Permission;
}

export const sections: Readonly<Record<SectionName, Section>> = {
  rules: { title: "Review rules", needed: "cases.read" },
  retention: { title: "Retention", needed: "cases.read" },
};

/** The sections that this person may see. */
export function sectionsOf(me: SignedIn): readonly SectionName[] {
  return sectionNames.filter((name) => may(me, sections[name].needed));
}

export function sectionAddress(name: SectionName): string {
  return addressOf("settings", name);
}
