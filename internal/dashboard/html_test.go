package dashboard_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
)

// element is one element of a page, with what is known of it where it begins.
type element struct {
	name  string
	attr  map[string]string
	above []string // the names of the elements around it, the outermost first
	text  string   // all text in it
}

// parse returns the elements of a page or of a fragment. What is not well nested is an
// error.
func parse(text string) ([]*element, error) {
	d := xml.NewDecoder(strings.NewReader("<all>" + strings.TrimPrefix(text, "<!doctype html>") + "</all>"))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "link", "input", "br"}, xml.HTMLEntity
	var all, open []*element
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, attr: map[string]string{}}
			for _, a := range t.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			for _, o := range open {
				e.above = append(e.above, o.name)
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			if n := len(open); n == 0 || open[n-1].name != t.Name.Local {
				return nil, errors.New("</" + t.Name.Local + "> closes another element")
			}
			open = open[:len(open)-1]
		case xml.CharData:
			for _, o := range open {
				o.text += string(t)
			}
		}
	}
}

// faults returns what is wrong with the HTML of a whole page.
func faults(text string) (bad []string) {
	all, err := parse(text)
	if err != nil {
		return []string{err.Error()}
	}
	count, ids := map[string]int{}, map[string]bool{}
	for _, e := range all {
		if !slices.Contains(e.above, "svg") {
			count[e.name]++
		}
		if id, ok := e.attr["id"]; ok {
			if ids[id] || id == "" {
				bad = append(bad, "id "+id+" is there twice")
			}
			ids[id] = true
		}
		bad = append(bad, e.faults()...)
	}
	for _, e := range all {
		for _, name := range []string{"aria-labelledby", "aria-describedby", "list", "data-copy"} {
			if to, ok := e.attr[name]; ok && !ids[to] {
				bad = append(bad, name+" of "+e.name+" leads to "+to+", which is not there")
			}
		}
	}
	for _, name := range []string{"h1", "main", "title", "header"} {
		if count[name] != 1 {
			bad = append(bad, "not one "+name)
		}
	}
	return bad
}

// faults returns what is wrong with one element.
func (e *element) faults() (bad []string) {
	for name, value := range e.attr {
		if name == "style" || strings.HasPrefix(name, "on") {
			bad = append(bad, e.name+" has the attribute "+name)
		}
		if (name == "href" || name == "src" || name == "action" || name == "data-src") && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "#") {
			bad = append(bad, e.name+" leads to "+value)
		}
		if u, err := url.Parse(value); (name == "href" || name == "action") && (err != nil || u.Host != "" || strings.Contains(value, "ZgotmplZ")) {
			bad = append(bad, e.name+" leads to "+value)
		}
	}
	switch e.name {
	case "style":
		bad = append(bad, "an inline style")
	case "script":
		if e.attr["src"] == "" || e.text != "" {
			bad = append(bad, "an inline script")
		}
	case "form":
		if e.attr["method"] != "dialog" && !strings.HasPrefix(e.attr["action"], "/") {
			bad = append(bad, "a form without an address")
		}
		if e.attr["method"] == "post" && e.attr["aria-label"] == "" && e.attr["aria-labelledby"] == "" && !strings.Contains(e.attr["action"], "/full") {
			bad = append(bad, "a form without a name")
		}
		if slices.Contains(e.above, "form") {
			bad = append(bad, "a form in a form")
		}
	case "input", "select", "textarea":
		if e.attr["type"] != "hidden" && !slices.Contains(e.above, "label") && e.attr["aria-label"] == "" {
			bad = append(bad, e.name+" "+e.attr["name"]+" has no label")
		}
		if !slices.Contains(e.above, "form") {
			bad = append(bad, e.name+" in no form")
		}
	case "th":
		if e.attr["scope"] == "" {
			bad = append(bad, "th without scope: "+e.text)
		}
	case "button", "a", "h1", "h2", "h3", "summary", "label":
		if strings.TrimSpace(e.text) == "" {
			bad = append(bad, "an empty "+e.name)
		}
	}
	return bad
}
