import { type JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Mark } from "../../../review/page/icons.tsx";
import { session as sessionApi } from "../api.web.ts";
import { Empty, PageHead } from "../parts/parts.tsx";
import { addressOf, placeOf, type PageName, type Place } from "../router.ts";
import { pagesOf, type HubSession, type SignedIn } from "../session.ts";
import { SiteContext, type Site } from "../site.ts";
import { GoTo } from "./go-to.tsx";
import { KeyHelp } from "./help.tsx";
import { listenToKeys } from "./key-shell.web.ts";
import { listenToLinks, takeToken } from "./links.web.ts";
import { PageHere } from "./page-here.tsx";
import { pageTexts, Rail } from "./rail.tsx";
import { SignIn, TakeInvitation } from "./sign-in.tsx";

const retryMs = 3_000;

/** The whole of it: who is signed in decides what there is. */
export function HubApp(): JSX.Element {
  const [session, setSession] = useState<HubSession | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [invitation, setInvitation] = useState(takeToken);
  const load = useCallback(() => {
    void sessionApi.get().then((answered) => {
      setTrouble(answered?.ok ? null : (answered?.message ?? "The hub cannot be reached"));
      if (answered?.ok) setSession(answered.value);
      else setTimeout(load, retryMs);
    });
  }, []);
  useEffect(load, [load]);
  const sessionIs = (next: HubSession | null): void => {
    if (next) setSession(next);
    else load();
  };
  if (invitation !== null) {
    const enter = (entered: HubSession): void => {
      setInvitation(null);
      history.replaceState(null, "", "/");
      setSession(entered);
    };
    return <TakeInvitation token={invitation} onSession={enter} />;
  }
  if (session === null) {
    return (
      <main class="centre">
        <p class="quiet starting" role="status">
          <Mark /> {trouble === null ? "Loading…" : `${trouble}. Trying again…`}
        </p>
      </main>
    );
  }
  const { signedIn } = session;
  if (signedIn === null) return <SignIn methods={session.methods} onSession={setSession} />;
  return <Inside key={signedIn.person.id} me={signedIn} sessionIs={sessionIs} />;
}

type Over = "help" | "goTo" | null;

function Inside({ me, sessionIs }: { readonly me: SignedIn; readonly sessionIs: Site["sessionIs"] }): JSX.Element {
  const [place, setPlace] = useState<Place>(() => placeOf(location));
  const [over, setOver] = useState<Over>(null);
  const [said, setSaid] = useState<string | null>(null);
  const here = useRef(place);
  here.current = place;
  const go = useCallback((address: string, how?: "replace") => {
    if (how === "replace") history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    setPlace(placeOf(location));
  }, []);
  const close = useCallback(() => setOver(null), []);
  useEffect(() => {
    const endLinks = listenToLinks(go, () => setPlace(placeOf(location)));
    const endKeys = listenToKeys({
      isReview: () => here.current.page === "review",
      pages: () => pagesOf(me).map((page) => ({ page, key: pageTexts[page].key })),
      perform: (action) => {
        if (action.kind === "go") go(action.address);
        else if (action.kind === "goTo" || action.kind === "help") setOver(action.kind);
      },
    });
    return () => {
      endLinks();
      endKeys();
    };
  }, [me]);
  useEffect(() => {
    if (said === null) return;
    const fading = setTimeout(() => setSaid(null), saidMs);
    return () => clearTimeout(fading);
  }, [said]);
  const pages = pagesOf(me);
  const page: PageName | null =
    place.page === "home" ? (pages[0] ?? null) : place.page === "nowhere" ? null : place.page;
  useEffect(() => {
    if (place.page === "home" && page !== null) go(addressOf(page), "replace");
  }, [place.page, page]);
  const site: Site = { me, place, go, sessionIs, tell: setSaid };
  return (
    <SiteContext.Provider value={site}>
      <div class="site">
        <a class="skip" href="#main" data-outside>
          Skip to the page
        </a>
        <Rail />
        {page !== null && pages.includes(page) ? <PageHere page={page} /> : <Nowhere />}
        <div class={said === null ? "said" : "said shown"} role="status" aria-live="polite">
          {said}
        </div>
        {over === "help" ? <KeyHelp onClose={close} /> : null}
        {over === "goTo" ? <GoTo onClose={close} /> : null}
      </div>
    </SiteContext.Provider>
  );
}

const saidMs = 5_000;

function Nowhere(): JSX.Element {
  return (
    <main id="main" class="page">
      <PageHead title="Not here" />
      <Empty title="There is no such page, or it is not for your role.">
        Go on with the pages at the side, or press Ctrl K.
      </Empty>
    </main>
  );
}
