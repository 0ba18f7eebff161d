import { escapeHtml, markup, Markup } from './markup.js';

describe('markup', () => {
  it('escapes every value, in text and in attributes', () => {
    const hostile = `"><script>alert('1' & 2)</script>`;
    expect(markup`<p title="${hostile}">${[hostile]}</p>`.text).toBe(
      '<p title="&quot;&gt;&lt;script&gt;alert(&#39;1&#39; &amp; 2)&lt;/script&gt;">&quot;&gt;&lt;script&gt;alert(&#39;1&#39; &amp; 2)&lt;/script&gt;</p>',
    );
  });

  it('takes markup as it is, however deep, and leaves absent values out', () => {
    const bold = markup`<b>${1}</b>`;
    expect(markup`${[bold, [bold, null], undefined]}${false}${new Markup('<hr>')}${0}`.text).toBe(
      '<b>1</b><b>1</b><hr>0',
    );
  });

  it('escapes once', () => {
    expect(escapeHtml('&lt;')).toBe('&amp;lt;');
  });
});
