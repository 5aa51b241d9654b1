import { type JSX } from "preact";
import { addressOf } from "../router.ts";
import { sectionAddress, sections, sectionsOf } from "../settings-sections.ts";
import { useSite } from "../site.ts";

/** The way from one section of the settings to the others; whoever has only their account needs none. */
export function SettingsNav(): JSX.Element | null {
  const { me, place } = useSite();
  const names = sectionsOf(me);
  if (names.length === 0) return null;
  return (
    <nav class="sections" aria-label="Sections of the settings">
      <SectionLink title="Your account" address={addressOf("settings")} isHere={place.id === null} />
      {names.map((name) => (
        <SectionLink
          key={name}
          title={sections[name].title}
          address={sectionAddress(name)}
          isHere={place.id === name}
        />
      ))}
    </nav>
  );
}

function SectionLink(props: {
  readonly title: string;
  readonly address: string;
  readonly isHere: boolean;
}): JSX.Element {
  return (
    <a href={props.address} {...(props.isHere ? { "aria-current": "page" as const } : {})}>
      {props.title}
    </a>
  );
}
