package chrome

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// What says what a person looks for: a role, such as "button" or "link", and a name.
// The name is a regular expression for the whole of it, in any case of letters. In, if
// it is not nil, is what it must lie in, as the row of a table.
type What struct {
	Role, Name string
	In         *What
}

// String returns the thing as it is named in errors.
func (w What) String() string {
	text := fmt.Sprintf("%s %q", w.Role, w.Name)
	if w.In != nil {
		text += " in " + w.In.String()
	}
	return text
}

// Button is a button of that name.
func Button(name string) What { return What{Role: "button", Name: name} }

// Link is a link of that name.
func Link(name string) What { return What{Role: "link", Name: name} }

// Field is a field for text with that label.
func Field(label string) What { return What{Role: "textbox", Name: label} }

// Row is a row of a table whose text holds that expression.
func Row(text string) What { return What{Role: "row", Name: `.*(?:` + text + `).*`} }

// Within is w, but only inside of that.
func (w What) Within(that What) What {
	w.In = &that
	return w
}

// Count returns how many of a thing the page has.
func (tab *Tab) Count(w What) (n int) {
	tab.t.Helper()
	tab.Until("counting "+w.String(), func() bool {
		all, err := tab.all(w) // A refresh may take away what is counted.
		n = len(all)
		return err == nil
	})
	return n
}

// Has waits for a thing and returns its name.
func (tab *Tab) Has(w What) (name string) {
	tab.t.Helper()
	tab.Until(w.String(), func() bool {
		all, err := tab.all(w)
		if err != nil || len(all) == 0 {
			return false
		}
		name = all[0].name
		return true
	})
	return name
}

// Lacks fails the test if the page has a thing.
func (tab *Tab) Lacks(w What) {
	tab.t.Helper()
	if n := tab.Count(w); n > 0 {
		tab.t.Errorf("%s has %d of %s", tab.Path(), n, w)
	}
}

// element is a thing that was found.
type element struct {
	node cdp.BackendNodeID
	name string
}

// spaces are what a name may have several of.
var spaces = regexp.MustCompile(`\s+`)

// all returns every element of a role and a name, in the order of the page, as the
// tree for screen readers has them.
func (tab *Tab) all(w What) ([]element, error) {
	name, err := regexp.Compile(`(?is)^(?:` + w.Name + `)$`)
	if err != nil {
		return nil, fmt.Errorf("reading a name: %w", err)
	}
	roots := []cdp.BackendNodeID{0}
	if w.In != nil {
		outer, err := tab.all(*w.In)
		if err != nil {
			return nil, err
		}
		roots = roots[:0]
		for _, e := range outer {
			roots = append(roots, e.node)
		}
	}
	var found []element
	for _, root := range roots {
		inside, err := tab.below(root, w.Role)
		if err != nil {
			return nil, err
		}
		for _, e := range inside {
			if name.MatchString(e.name) && !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
	}
	return found, nil
}

// below returns the elements of a role in a part of the page, 0 for the whole.
func (tab *Tab) below(root cdp.BackendNodeID, role string) ([]element, error) {
	params := accessibility.QueryAXTreeParams{Role: role, BackendNodeID: root}
	if root == 0 {
		document, err := try(tab, dom.GetDocument, dom.GetDocumentParams{Depth: new(int64(0))})
		if err != nil {
			return nil, err
		}
		params.NodeID = document.Root.NodeID
	}
	tree, err := try(tab, accessibility.QueryAXTree, params)
	if err != nil {
		return nil, err
	}
	var found []element
	for _, n := range tree.Nodes {
		if n.Ignored || n.BackendDOMNodeID == 0 || n.BackendDOMNodeID == root {
			continue
		}
		name := nameOf(n)
		if role == "row" || name == "" && role == "listitem" { // They have no name but their text.
			if name, err = tab.textOf(n.BackendDOMNodeID); err != nil {
				return nil, err
			}
		}
		found = append(found, element{n.BackendDOMNodeID, strings.TrimSpace(spaces.ReplaceAllString(name, " "))})
	}
	return found, nil
}

func nameOf(n *accessibility.Node) (name string) {
	if n.Name != nil {
		_ = json.Unmarshal(n.Name.Value, &name) // What is no string is no name.
	}
	return name
}

// errGone is the error of an element that is not in the page any more.
var errGone = errors.New("the element has gone")

// on calls a function of JavaScript with an element as this.
func on[T any](tab *Tab, node cdp.BackendNodeID, function string) (value T, err error) {
	o, err := try(tab, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node})
	if err != nil {
		return value, err
	}
	if o.Object == nil || o.Object.ObjectID == "" {
		return value, errGone
	}
	return chromedp.Run(tab.ctx, chromedp.CallFunctionOn[T](function, func(p *runtime.CallFunctionOnParams) {
		p.ObjectID = o.Object.ObjectID
	}))
}

// textOf returns what a reader sees of an element.
func (tab *Tab) textOf(node cdp.BackendNodeID) (string, error) {
	return on[string](tab, node, `function() { return this.innerText || "" }`)
}
