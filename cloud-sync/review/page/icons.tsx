import { type JSX } from "preact";

/** Line icons, 24 × 24, in the colour of the text around them. */
const paths = {
  camera:
    "M4 8.5h3l1.6-2.5h6.8L17 8.5h3a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V9.5a1 1 0 0 1 1-1ZM12 16.5a3.25 3.25 0 1 0 0-6.5 3.25 3.25 0 0 0 0 6.5Z",
  shelf: "M4 4v16M20 4v16M4 11h16M4 19h16M7 11V7h4v4M14 19v-5h3.5v5",
  basket: "M4 10h16l-1.5 8.5a1.5 1.5 0 0 1-1.5 1.25H7a1.5 1.5 0 0 1-1.5-1.25L4 10ZM8.5 10 11 4.5M15.5 10 13 4.5",
  tag: "M12.5 4H20v7.5l-8.2 8.2a1.2 1.2 0 0 1-1.7 0l-5.8-5.8a1.2 1.2 0 0 1 0-1.7L12.5 4ZM16 8h.01",
  device: "M7 3.5h10a1 1 0 0 1 1 1v15a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1v-15a1 1 0 0 1 1-1ZM11 17.5h2",
  clock: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 7.5V12l3 2",
  search: "M10.75 17.5a6.75 6.75 0 1 0 0-13.5 6.75 6.75 0 0 0 0 13.5ZM15.7 15.7 20 20",
  undo: "M8.5 8 4.5 12l4 4M5 12h9a5 5 0 0 1 5 5v1",
  check: "m5 12.5 4.5 4.5L19 7.5",
  checks: "m3 12.5 4 4L15.5 8M11.5 15.5l1.2 1L21 8",
  fault: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7.5v5.5M12 16.2v.1",
  wifiOff:
    "M4 4l16 16M9 17.2a4.3 4.3 0 0 1 6 0M6 13.8a8.5 8.5 0 0 1 4-2.2M14.5 12a8.5 8.5 0 0 1 3.5 1.8M3 10.3A12.8 12.8 0 0 1 7 7.7M11 6.6a12.8 12.8 0 0 1 10 3.7M12 20h.01",
  eyeOff:
    "M4 4l16 16M10 6.2A9.7 9.7 0 0 1 12 6c5.5 0 9 6 9 6a16 16 0 0 1-2.7 3.3M6.5 8A15.5 15.5 0 0 0 3 12s3.5 6 9 6a9 9 0 0 0 3.7-.8M10 10.2a2.7 2.7 0 0 0 3.8 3.8",
  question:
    "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM9.8 9.7a2.25 2.25 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M12 16.5h.01",
  leave: "M14 4.5H6a1 1 0 0 0-1 1v13a1 1 0 0 0 1 1h8M10.5 12H20M16.5 8.5 20 12l-3.5 3.5",
  close: "m6 6 12 12M18 6 6 18",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: a point, held. */
export function Mark({ size = 26 }: { readonly size?: number }): JSX.Element {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle class="mark-ring" cx="16" cy="16" r="12.5" pathLength="100" />
      <circle class="mark-point" cx="16" cy="16" r="5.5" />
    </svg>
  );
}
