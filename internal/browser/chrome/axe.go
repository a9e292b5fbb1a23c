package chrome

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
)

// axe is the text of axe-core, read once.
var axe = sync.OnceValues(func() (string, error) {
	const file = "node_modules/axe-core/axe.min.js"
	text, err := os.ReadFile(file)
	if err != nil {
		text, err = os.ReadFile("../" + file)
	}
	return string(text), err
})

// violation is a rule of axe-core that a page breaks.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	}
}

// Accessible fails the test for each rule of axe-core that the page breaks as it is
// now. It needs what `npm ci` has put beside the suite.
func (tab *Tab) Accessible() {
	tab.t.Helper()
	text, err := axe()
	if err != nil {
		Missing(tab.t, "this test needs axe-core: run npm ci in internal/browser, as make browser does")
	}
	if !Eval[bool](tab, `typeof window.axe === "object"`) {
		Eval[chromedp.Void](tab, text)
	}
	for _, v := range Eval[[]violation](tab, `axe.run({resultTypes: ["violations"]}).then(r => r.violations.map(v => ({
		ID: v.id, Impact: v.impact, Help: v.help,
		Nodes: v.nodes.slice(0, 3).map(n => ({html: n.html, failureSummary: n.failureSummary}))})))`, chromedp.EvalAwaitPromise) {
		var where strings.Builder
		for _, n := range v.Nodes {
			fmt.Fprintf(&where, "\n\t%.300s\n\t%s", n.HTML, strings.ReplaceAll(n.Summary, "\n", "\n\t"))
		}
		tab.t.Errorf("%s breaks %s (%s): %s%s", tab.Path(), v.ID, v.Impact, v.Help, where.String())
	}
}

// Fits fails the test if the page is wider than its window.
func (tab *Tab) Fits() {
	tab.t.Helper()
	if over := Eval[int](tab, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		widest := Eval[string](tab, `(() => {
			const edge = document.documentElement.clientWidth;
			const over = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > edge + 1);
			return over.slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n\t");
		})()`)
		tab.t.Errorf("%s is %d pixels wider than its window:\n\t%s", tab.Path(), over, widest)
	}
}
