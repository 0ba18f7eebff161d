/** Lines: dark enough for white, light enough for black, told apart by the color-blind (after Okabe & Ito 2008). */
const lineColors = {
  light: ['#0072b2', '#c64f00', '#00805c', '#a8327d', '#7a6200', '#5b5bd6'],
  dark: ['#56b4e9', '#ff9440', '#2fc79a', '#e89ac7', '#f0e442', '#a9a8ff'],
};

/** Points, which have no dashes to tell them apart: the lines' colors and as many more. */
const pointColors = {
  light: [...lineColors.light, '#3aa0dc', '#d99000', '#68a611', '#d6336c', '#8c564b', '#6b7480'],
  dark: [...lineColors.dark, '#3d8fd1', '#ffcf70', '#a6d94a', '#ff7a9c', '#c8a094', '#b4bcc5'],
};

const variables = (colors: string[], name = 's') => colors.map((color, i) => `--${name}${i}: ${color};`).join(' ');

const shadeRules = Array.from({ length: 12 }, (_, i) => {
  const share = Math.round(((i + 1) / 12) * 100);
  return `td.h${i + 1} { background: color-mix(in srgb, var(--heat) ${share}%, var(--paper)); } path.h${i + 1} { fill: color-mix(in srgb, var(--heat-strong) ${Math.round(12 + share * 0.88)}%, var(--paper)); }`;
}).join('\n');

const seriesRules = lineColors.light.map((_, i) => `.s${i} { --c: var(--s${i}); }`).join(' ');

const pointRules = pointColors.light
  .map((_, i) => `.k${i} { --c: var(--k${i}); } .o${i} { stroke: var(--k${i}); }`)
  .join(' ');

/** The style sheet of every report. Fonts are those of the reader's machine. */
export const style = `
:root { color-scheme: light dark; --paper: #ffffff; --card: #f6f7f9; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae0; --accent: #0065a3; --heat: #6db3e0; --heat-strong: #005a96; --good: #1a6b3c; --warn: #8a5200; --warn-paper: #fff6e5; ${variables(lineColors.light)} ${variables(pointColors.light, 'k')} }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1c2026; --ink: #e8eaed; --soft: #a4adb8; --rule: #363d46; --accent: #6cbcf0; --heat: #1f5f91; --heat-strong: #6cbcf0; --good: #5fd08f; --warn: #f0b656; --warn-paper: #2b2416; ${variables(lineColors.dark)} ${variables(pointColors.dark, 'k')} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 82rem; margin: 0 auto; padding: 1.5rem clamp(0.9rem, 3vw, 2.5rem) 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 0.8rem; padding-top: 0.9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.6rem 0 0.5rem; }
p { margin: 0.4rem 0; max-width: 60rem; overflow-wrap: anywhere; }
small, caption, figcaption small { color: var(--soft); font-size: 0.86rem; font-weight: 400; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.86rem; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem 0.9rem; }
.status { font-size: 0.86rem; font-weight: 600; padding: 0.1rem 0.65rem; border: 1px solid currentColor; border-radius: 1rem; color: var(--warn); white-space: nowrap; }
.status.finished { color: var(--good); }
.facts { display: flex; flex-wrap: wrap; gap: 0.1rem 1.4rem; margin: 0.6rem 0 0; padding: 0; }
.facts div { display: flex; gap: 0.4rem; min-width: 0; }
.facts dt { color: var(--soft); white-space: nowrap; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: 0.7rem; margin: 1.2rem 0 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: 0.5rem; padding: 0.6rem 0.85rem; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.tiles dt { color: var(--soft); font-size: 0.86rem; }
.tiles dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.25; white-space: nowrap; }
.scroll + .charts, .facts + .charts { margin-top: 1.4rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1.6rem 1.4rem; align-items: start; }
.wide { grid-column: 1 / -1; max-width: 56rem; }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 0.25rem; overflow-wrap: anywhere; }
figcaption small { display: block; line-height: 1.3; }
figure > svg { display: block; width: 100%; height: auto; overflow: visible; }
figure.matrix { max-width: 40rem; } .played img { display: block; max-width: 100%; height: auto; margin-top: 0.6rem; image-rendering: pixelated; }
svg text { fill: var(--soft); font-size: 12px; }
svg text.end { text-anchor: end; } svg text.middle { text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); }
.frame { fill: none; stroke: var(--rule); }
.reference { stroke: var(--soft); stroke-dasharray: 3 3; }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.band { fill: var(--c); opacity: 0.16; }
.span { stroke: var(--c); stroke-width: 3; stroke-linecap: round; } circle.one { opacity: 0.6; }
circle { fill: var(--c); } svg text.gap { fill: var(--c); font-size: 14px; text-anchor: middle; font-weight: 700; }
.dash1 .line { stroke-dasharray: 7 4; } .dash2 .line { stroke-dasharray: 2 4; } svg.dash1 .line { stroke-dasharray: 7 4; }
.cursor { stroke: var(--soft); visibility: hidden; pointer-events: none; } .hit { fill: transparent; }
${seriesRules}
.scatter { max-width: 46rem; } .scatter circle { stroke-width: 1.6; } .scatter circle.ring { fill: none; stroke-width: 2.2; }
.center path { fill: var(--c); stroke: var(--ink); stroke-width: 1.6; } .center text { fill: var(--ink); font-weight: 700; }
.center text { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; } .swatch { fill: var(--c); }
${pointRules}
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin: 0.25rem 0 0; padding: 0; font-size: 0.86rem; }
.legend li { overflow-wrap: anywhere; } .legend svg { width: 22px; height: 8px; vertical-align: middle; margin-right: 0.3rem; } .legend b { font-weight: 600; }
.strips { flex: 1 1 100%; max-width: 56rem; } .strips table { width: 100%; } .heat td.strip { width: 100%; min-width: 12rem; padding: 0; } .strip svg { display: block; width: 100%; height: 1.6rem; shape-rendering: crispEdges; }
.bar { fill: var(--s0); } .rail { fill: var(--rule); }
.scroll { overflow-x: auto; max-width: 100%; margin: 0.6rem 0; }
table { border-collapse: collapse; font-size: 0.92rem; }
caption { text-align: left; padding-bottom: 0.3rem; }
th, td { padding: 0.25rem 0.7rem; text-align: left; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-weight: 600; } .number, .number th { text-align: right; }
tbody th { white-space: normal; overflow-wrap: break-word; max-width: 22rem; } .heat tbody th { white-space: nowrap; }
thead th { color: var(--soft); font-size: 0.86rem; }
.heat th, .heat td { padding: 0.2rem 0.4rem; border: 1px solid var(--paper); } .heat td { text-align: center; min-width: 2.6rem; color: var(--ink); }
.heat.values td { min-width: 4.2rem; } .heat thead th { text-align: center; }
.bars td.track { width: 16rem; } .bars svg { display: block; width: 100%; min-width: 6rem; height: 0.75rem; } .bars th { font-weight: 400; } .bars th, .bars td { border: 0; padding: 0.12rem 0.6rem 0.12rem 0; } .bars td { text-align: right; }
.pair { display: flex; flex-wrap: wrap; gap: 0.6rem 2.5rem; align-items: flex-start; } .pair > * { min-width: 0; } .pair > .matrix { flex: 1 1 26rem; }
${shadeRules}
.warnings { background: var(--warn-paper); border-left: 4px solid var(--warn); margin: 1.2rem 0 0; padding: 0.6rem 1rem 0.6rem 2rem; } .warnings li { overflow-wrap: anywhere; } .warnings small { white-space: nowrap; }
details { margin-top: 1.2rem; } summary { cursor: pointer; font-weight: 600; } summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
details.run { border: 1px solid var(--rule); border-radius: 0.5rem; padding: 0.7rem 1rem; } details.run[open] > summary { margin-bottom: 1rem; } summary .status { margin-left: 0.6rem; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 0.5rem; padding: 0.8rem 1rem; overflow-x: auto; max-height: 34rem; }
.tip { position: fixed; z-index: 2; pointer-events: none; background: var(--card); color: var(--ink); border: 1px solid var(--rule); border-radius: 0.4rem; padding: 0.35rem 0.6rem; font-size: 0.83rem; line-height: 1.4; box-shadow: 0 2px 10px rgb(0 0 0 / 0.25); max-width: 20rem; }
.tip[hidden] { display: none; } .tip i { display: inline-block; width: 0.65rem; height: 0.65rem; border-radius: 50%; background: var(--c); margin-right: 0.4rem; } .tip b { font-weight: 600; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.86rem; }
@media (max-width: 40rem) { .wide svg text { font-size: 20px; } .charts { gap: 1.4rem; } }
@media print { :root { color-scheme: light; } main { max-width: none; padding: 0; } figure, tr, .tiles div { break-inside: avoid; } h2, h3 { break-after: avoid; } .heat td, .status, .warnings, path { print-color-adjust: exact; -webkit-print-color-adjust: exact; } pre { max-height: none; white-space: pre-wrap; } .scroll { overflow: visible; } }
`;
