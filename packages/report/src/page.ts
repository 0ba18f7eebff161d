import { sha256 } from '@retort/core';
import { markup, Markup } from './markup.js';
import { script } from './script.js';
import { style } from './style.js';

/** A whole page: nothing is fetched when it is opened, and its own policy forbids it. */
export function page(title: string, body: Markup, footer: string): string {
  // The policy lets this script run and no other, not even one that slipped through the escaping.
  const scriptDigest = Buffer.from(sha256(script), 'hex').toString('base64');
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${scriptDigest}'; base-uri 'none'; form-action 'none'`;
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} – Retort</title>
        ${new Markup(`<style>${style}</style>`)}
      </head>
      <body>
        <main>
          ${body}
          <footer>${footer}</footer>
        </main>
        ${new Markup(`<script>${script}</script>`)}
      </body>
    </html>
`.text;
}
