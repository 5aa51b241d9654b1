import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Place } from "./router.ts";
import type { HubSession, SignedIn } from "./session.ts";

/** What every page is given. */
export interface Site {
  readonly me: SignedIn;
  readonly place: Place;
  /** Goes to an address of this site; `replace` leaves no step back. */
  readonly go: (address: string, how?: "replace") => void;
  /** The session changed or ended. */
  readonly sessionIs: (session: HubSession | null) => void;
  /** Tells something in the corner of the page, and aloud. */
  readonly tell: (text: string) => void;
}

export const SiteContext = createContext<Site | null>(null);

export function useSite(): Site {
  const site = useContext(SiteContext);
  if (!site) throw new Error("a page stands outside of the site");
  return site;
}
