package browser

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
)

// hostile is a text that runs, or leaves its place, where a page takes it for its own.
const hostile = `"'><script>window.taken=1</script><img src=x onerror="window.taken=1"><a href="javascript:window.taken=1">x</a></td></table></main>` +
	"\u202egnp.exe\u2066\u200b\ufeff{{.}}${taken=1}</title><style>*{display:none}</style><!--"

// tame fails the test if something of a hostile text has run, or has become a part of
// the page.
func tame(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	if chrome.Eval[bool](tab, `"taken" in window`) {
		t.Errorf("%s has run a foreign text", tab.Path())
	}
	for what, n := range map[string]int{
		"a foreign script":  chrome.Eval[int](tab, `document.querySelectorAll("script:not([src])").length`),
		"a foreign style":   chrome.Eval[int](tab, `document.querySelectorAll("style, [style]").length`),
		"a foreign picture": chrome.Eval[int](tab, `document.querySelectorAll("img").length`),
		"a foreign handler": chrome.Eval[int](tab, `[...document.querySelectorAll("*")].filter(e => e.getAttributeNames().some(n => n.startsWith("on"))).length`),
		"a foreign link":    chrome.Eval[int](tab, `[...document.querySelectorAll("[href],[src],[action],[formaction]")].filter(e => !/^([/?#]|$|\.|mailto:)/.test(e.getAttribute("href") ?? e.getAttribute("src") ?? e.getAttribute("action") ?? e.getAttribute("formaction"))).length`),
		"a second main":     chrome.Eval[int](tab, `document.querySelectorAll("main").length - 1`),
		"a bare bidi control, or another invisible character": chrome.Eval[int](tab,
			`(document.body.innerText.match(/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\u0000]/g) || []).length`),
	} {
		if n > 0 {
			t.Errorf("%s has %s: %d", tab.Path(), what, n)
		}
	}
}
