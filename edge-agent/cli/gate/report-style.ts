/** The report's style sheet: system fonts, both colour schemes, nothing from outside. */
export const reportStyle = `
:root { color-scheme: light dark; --ground: #f7f7f4; --surface: #fff; --ink: #1c1d1a; --quiet: #5b5d55; --line: #dcdcd5;
  --accent: #0b6e4f; --band: #0b6e4f2e; --warn: #a4370a; --choice: #1d4fd7; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #161714; --surface: #1f211d; --ink: #ecede7; --quiet: #a9aca1; --line: #3a3d36; --accent: #5fd3a8;
    --band: #5fd3a833; --warn: #ff9d70; --choice: #8fb1ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { margin: 0 0 4px; font-size: 26px; line-height: 1.2; }
h2 { margin: 0 0 12px; font-size: 18px; }
p { margin: 0 0 12px; max-width: 78ch; }
.quiet { color: var(--quiet); }
section { margin-top: 24px; padding: 20px 24px; border: 1px solid var(--line); border-radius: 14px; background: var(--surface); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 24px; align-items: start; }
.pair section { min-width: 0; }
figure { margin: 0 0 16px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font-size: 13px; }
svg .axis { fill: var(--ink); }
.grid { stroke: var(--line); }
.band { fill: var(--band); }
.few { fill: none; stroke: var(--quiet); stroke-dasharray: 3 3; }
.risk { fill: none; stroke: var(--accent); stroke-width: 2; }
.contract { stroke: var(--warn); stroke-width: 1.5; stroke-dasharray: 6 4; }
.certified { fill: var(--accent); stroke: var(--surface); stroke-width: 2; }
.choice { stroke: var(--choice); stroke-width: 2; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.offers th[scope="row"] { white-space: nowrap; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
label { font-weight: 600; }
select, input[type="range"] { font: inherit; accent-color: var(--choice); }
select { padding: 6px 10px; border: 1px solid var(--quiet); border-radius: 8px; background: var(--surface); color: var(--ink); }
input[type="range"] { display: block; width: 100%; height: 32px; }
:focus-visible { outline: 3px solid var(--choice); outline-offset: 2px; }
dl { display: grid; grid-template-columns: minmax(0, 11em) 1fr; gap: 4px 20px; margin: 12px 0 0; }
dt { color: var(--quiet); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; padding: 8px 0; color: var(--quiet); }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; } main { padding: 20px 12px; } }
`;
