import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type PageOf } from "../api.web.ts";
import { type Answered, type Refused } from "../ask.web.ts";
import { useSite } from "../site.ts";

/** What was asked of the hub. The last value stays while the next one comes, and while the hub cannot give it. */
export interface Loaded<T> {
  readonly value: T | null;
  readonly refused: Refused | null;
  readonly isOffline: boolean;
  readonly reload: () => void;
}

const retryMs = 5_000;

/**
 * Asks whenever `key` changes, and again every `everyMs` while somebody looks at the page (0: never). A session that has
 * ended leads to the sign-in.
 */
export function useLoaded<T>(key: string, load: () => Promise<Answered<T>>, everyMs = 0): Loaded<T> {
  const { sessionIs } = useSite();
  const [state, setState] = useState<{ key: string; value: T | null; refused: Refused | null; isOffline: boolean }>({
    ...{ key, value: null, refused: null, isOffline: false },
  });
  const turn = useRef(0);
  const latest = useRef(load);
  latest.current = load;
  const reload = useCallback(() => {
    const mine = (turn.current += 1);
    void latest.current().then((answered) => {
      // A slower answer to an older question is nobody's any more.
      if (mine !== turn.current) return;
      if (answered?.ok === false && answered.code === "HP_UNAUTHORIZED") sessionIs(null);
      setState((before) => {
        const known = before.key === key ? before.value : null;
        if (answered === null) return { key, value: known, refused: null, isOffline: true };
        if (!answered.ok) return { key, value: known, refused: answered, isOffline: false };
        return { key, value: answered.value, refused: null, isOffline: false };
      });
    });
  }, [key]);
  useEffect(() => {
    reload();
    return () => void (turn.current += 1);
  }, [reload]);
  const waitMs = state.isOffline || state.refused?.code === "HP_INTERNAL" ? retryMs : everyMs;
  useEffect(() => {
    if (waitMs === 0) return;
    const ticking = setInterval(() => document.visibilityState === "visible" && reload(), waitMs);
    return () => clearInterval(ticking);
  }, [waitMs, reload]);
  const isCurrent = state.key === key;
  return { ...state, value: isCurrent ? state.value : null, refused: isCurrent ? state.refused : null, reload };
}

export interface LoadedPages<T> extends Loaded<readonly T[]> {
  readonly more: (() => void) | null;
}

/** A list that comes in pages: the first at once, each further one when it is asked for. */
export function usePages<T>(
  key: string,
  load: (cursor: string | null) => Promise<Answered<PageOf<T>>>,
  everyMs = 0,
): LoadedPages<T> {
  const [rest, setRest] = useState<{ of: string; items: readonly T[]; cursor: string | null } | null>(null);
  const own = rest !== null && rest.of === key ? rest : null;
  // Whoever has asked for more reads it in peace: a first page that came anew would not fit the others.
  const first = useLoaded(key, () => load(null), own ? 0 : everyMs);
  const cursor = own ? own.cursor : (first.value?.cursor ?? null);
  const more = (): void => {
    void load(cursor).then((answered) => {
      if (!answered?.ok) return;
      const { items, cursor: next } = answered.value;
      setRest({ of: key, items: [...(own?.items ?? []), ...items], cursor: next });
    });
  };
  const reload = (): void => {
    setRest(null);
    first.reload();
  };
  const value = first.value && [...first.value.items, ...(own?.items ?? [])];
  return { ...first, value, reload, more: cursor === null ? null : more };
}
