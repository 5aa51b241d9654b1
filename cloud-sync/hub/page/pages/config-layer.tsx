import { type JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { config, type ConfigCheck, type LayerChange, type LayerPut, type LayerState } from "../api.web.ts";
import { type Answered } from "../ask.web.ts";
import { layerTitle, type LayerName } from "../layer-names.ts";
import { useLoaded } from "../parts/loading.ts";
import { NotYet, PageHead } from "../parts/parts.tsx";
import { may } from "../session.ts";
import { useSite } from "../site.ts";
import { agoText, plural } from "../words.ts";
import { CheckShown } from "./config-check.tsx";
import { PutDialog } from "./config-put.tsx";
import { ConfigHistory } from "./config-history.tsx";
import { KeyForm } from "./config-key-form.tsx";

/** One layer: its text, what is wrong with it, what it would change, and who changed it before. */
export function ConfigLayer(name: LayerName): JSX.Element {
  const loaded = useLoaded(`layer ${name.layer}/${name.scope}`, () => config.layer(name));
  return (
    <main id="main" class="page">
      <PageHead title={layerTitle(name)} about={loaded.value ? aboutText(loaded.value) : "Config"}>
        <a class="plain" href="/config">
          All layers
        </a>
      </PageHead>
      <NotYet loaded={loaded} />
      {loaded.value ? (
        <LayerEditor key={loaded.value.revision} state={loaded.value} text={loaded.value.text} reload={loaded.reload} />
      ) : null}
    </main>
  );
}

function aboutText({ revision, changedMs }: LayerState): string {
  return revision === 0 || changedMs === null
    ? "Nothing is written here yet: the layers below it hold."
    : `Revision ${revision}, changed ${agoText(Date.now() - changedMs)}`;
}

interface EditorProps {
  readonly state: LayerState;
  readonly text: string;
  readonly reload: () => void;
}

type Putting =
  | { readonly kind: "edit"; readonly after: string }
  | { readonly kind: "revert"; readonly to: number; readonly after: string };

function LayerEditor({ state, text, reload }: EditorProps): JSX.Element {
  const { me, tell } = useSite();
  const [draft, setDraft] = useState(text);
  const [putting, setPutting] = useState<Putting | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const checked = useChecked(state, draft);
  const canWrite = may(me, "config.write") && (state.layer === "store" || me.person.stores === null);
  const isSame = draft === text;
  const put = async (why: string): Promise<Answered<LayerPut>> => {
    const { revision } = state;
    const answered =
      putting?.kind === "revert"
        ? await config.revert(state, { to: putting.to, revision, why })
        : await config.put(state, { text: draft, why, revision });
    if (answered?.ok) {
      setPutting(null);
      tell(`In force. ${plural(answered.value.agents, "agent")} will take it.`);
      reload();
    }
    return answered;
  };
  const revert = async ({ change, revision }: LayerChange): Promise<void> => {
    const found = await config.change(change);
    if (found?.ok) setPutting({ kind: "revert", to: revision, after: found.value.text });
  };
  return (
    <>
      <div class="config-columns">
        <TextCard
          {...{ field, draft, setDraft, isSame, canWrite, canPut: !isSame && checked?.ok === true }}
          onDiscard={() => setDraft(text)}
          onLook={() => setPutting({ kind: "edit", after: draft })}
        />
        <div class="config-side">
          <CheckShown check={checked} isSame={isSame} onLine={(line) => markLine(field.current, line)} />
          {canWrite ? <KeyForm text={draft} onText={setDraft} /> : null}
        </div>
      </div>
      <ConfigHistory
        of={{ layer: state.layer, scope: state.scope }}
        currentRevision={state.revision}
        onRevert={canWrite ? (change) => void revert(change) : null}
      />
      {putting ? (
        <PutDialog
          {...{ before: text, after: putting.after, check: putting.kind === "edit" ? checked : null, put }}
          title={putting.kind === "edit" ? "Put this in force?" : `Go back to revision ${putting.to}?`}
          onClose={() => setPutting(null)}
        />
      ) : null}
    </>
  );
}

interface TextCardProps {
  readonly field: { current: HTMLTextAreaElement | null };
  readonly draft: string;
  readonly setDraft: (draft: string) => void;
  readonly isSame: boolean;
  readonly canWrite: boolean;
  readonly canPut: boolean;
  readonly onDiscard: () => void;
  readonly onLook: () => void;
}

function TextCard({ field, draft, setDraft, isSame, canWrite, canPut, onDiscard, onLook }: TextCardProps): JSX.Element {
  return (
    <section class="panel-card" aria-labelledby="text-title">
      <div class="card-head">
        <h2 id="text-title">Text</h2>
        <span class="quiet">YAML</span>
      </div>
      <textarea
        ref={field}
        class="config-text mono"
        aria-labelledby="text-title"
        spellcheck={false}
        autoCapitalize="off"
        rows={20}
        readOnly={!canWrite}
        value={draft}
        onInput={(event) => setDraft(event.currentTarget.value)}
      />
      {canWrite ? (
        <div class="page-actions">
          <button type="button" class="primary small" disabled={!canPut} onClick={onLook}>
            Look at the change
          </button>
          <button type="button" class="plain" disabled={isSame} onClick={onDiscard}>
            Discard
          </button>
        </div>
      ) : (
        <p class="quiet">You can read this layer; changing it is for operators of all its stores.</p>
      )}
    </section>
  );
}

const checkAfterMs = 350;

/** What the hub says of a text, a moment after it was last changed; null while it is not known. */
function useChecked({ layer, scope }: LayerName, text: string): ConfigCheck | null {
  const [known, setKnown] = useState<{ readonly text: string; readonly check: ConfigCheck } | null>(null);
  useEffect(() => {
    let isOver = false;
    const waiting = setTimeout(() => {
      void config.check({ layer, scope }, text).then((answered) => {
        if (!isOver && answered?.ok) setKnown({ text, check: answered.value });
      });
    }, checkAfterMs);
    return () => {
      isOver = true;
      clearTimeout(waiting);
    };
  }, [layer, scope, text]);
  return known?.text === text ? known.check : null;
}

/** Puts the caret on a line and marks it. */
function markLine(field: HTMLTextAreaElement | null, line: number): void {
  if (!field) return;
  const lines = field.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  field.focus();
  field.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
}
