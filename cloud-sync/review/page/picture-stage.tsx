import { type JSX } from "preact";
import type { ReviewCase } from "../../../protocol/index.ts";
import { FactsTable } from "./facts-table.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { LookAlikes } from "./look-alikes.tsx";
import { type PageEvent, type PageState } from "./state.ts";
import { agoText, labelText } from "./wording.ts";

export interface StageProps {
  readonly state: PageState;
  readonly dispatch: (event: PageEvent) => void;
}

/**
 * The case itself. The next case's picture stands behind it, hidden and loaded: an `img` with a key is kept by the
 * renderer, so the switch draws what is decoded already.
 */
export function PictureStage({ state, dispatch }: StageProps): JSX.Element {
  const [held] = state.cases;
  return (
    <section class="stage" aria-label="Case">
      <div class="picture-row">
        <div class="picture-room">
          {state.cases.map((entry, index) =>
            entry.pictureUrl === null ? null : (
              <CasePicture
                key={entry.id}
                held={entry}
                isShown={index === 0}
                how={state.pictures[entry.id]}
                dispatch={dispatch}
              />
            ),
          )}
          {held?.pictureUrl === null ? <NoPicture held={held} /> : null}
        </div>
        {held && state.features.lookAlikes ? <LookAlikes held={held} lookAlikes={state.lookAlikes[held.id]} /> : null}
      </div>
      {held ? <ContextChips held={held} nowMs={state.nowMs + state.skewMs} /> : null}
    </section>
  );
}

interface CasePictureProps {
  readonly held: ReviewCase;
  readonly isShown: boolean;
  readonly how: "shown" | "missing" | undefined;
  readonly dispatch: (event: PageEvent) => void;
}

function CasePicture({ held, isShown, how, dispatch }: CasePictureProps): JSX.Element {
  const { id, pictureUrl } = held;
  if (how === "missing") return isShown ? <Missing /> : <></>;
  return (
    <div class={how === "shown" ? "picture loaded" : "picture"} hidden={!isShown}>
      <img
        src={pictureUrl ?? ""}
        alt={`Picture from ${held.device}, to be identified`}
        decoding="sync"
        draggable={false}
        onLoad={({ currentTarget }) => {
          const { naturalWidth, naturalHeight, style } = currentTarget;
          style.setProperty("--ratio", String(naturalWidth / Math.max(1, naturalHeight)));
          dispatch({ kind: "pictureShown", id });
        }}
        onError={() => dispatch({ kind: "pictureMissing", id })}
      />
    </div>
  );
}

function Missing(): JSX.Element {
  return (
    <div class="no-picture">
      <Icon name="eyeOff" size={36} />
      <p>This picture cannot be shown.</p>
      <p class="quiet">Press B for “bad picture”, or answer from what else is known.</p>
    </div>
  );
}

function NoPicture({ held }: { readonly held: ReviewCase }): JSX.Element {
  const isPicture = held.inputKind === "image" || held.inputKind === "pixels";
  return isPicture ? <Missing /> : <FactsTable held={held} />;
}

const contextIcons: Readonly<Record<string, IconName>> = { camera: "camera", shelf: "shelf", basket: "basket" };

/** Facts beside a picture: what others answered, for a lead, and what an import sent along. */
const factsBesidePictureMax = 8;
const factCharsMax = 80;

function ContextChips({ held, nowMs }: { readonly held: ReviewCase; readonly nowMs: number }): JSX.Element {
  // Without a picture they stand in its place.
  const facts = held.pictureUrl === null ? [] : held.facts;
  const isLabel = (value: string): boolean => held.suggestions.some(({ label }) => label === value);
  return (
    <dl class="chips">
      {facts.slice(0, factsBesidePictureMax).map(({ name, value }, index) => (
        <Chip
          key={`fact ${index}`}
          icon={isLabel(value) ? "check" : "tag"}
          name={labelText(name)}
          value={isLabel(value) ? labelText(value) : shortened(value)}
        />
      ))}
      {facts.length > factsBesidePictureMax ? (
        <Chip icon="tag" name="More" value={`${facts.length - factsBesidePictureMax} further facts`} />
      ) : null}
      {Object.entries(held.context).map(([name, value]) => (
        <Chip key={name} icon={contextIcons[name] ?? "tag"} name={labelText(name)} value={String(value)} />
      ))}
      <Chip icon="device" name="Device" value={held.device} />
      <Chip icon="clock" name="Held" value={agoText(nowMs - held.heldAtMs)} />
    </dl>
  );
}

function shortened(value: string): string {
  return value.length <= factCharsMax ? value : `${value.slice(0, factCharsMax - 1)}…`;
}

function Chip(props: { readonly icon: IconName; readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div class="chip">
      <Icon name={props.icon} size={18} />
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}
