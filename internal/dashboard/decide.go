package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/control"
)

// mostGroups is how many groups of a kind a page shows.
const mostGroups = 100

// decideView is what waits for a person's decision.
type decideView struct {
	frame
	Dead control.Groups
	Odd  control.OddGroups
	// MoreDead and MoreOdd are how many groups are not shown.
	MoreDead, MoreOdd int
	Parked            []control.Route
	Jobs              []job
	// Unavailable is why the store does not work, empty if it does.
	Unavailable string
}

// Words returns what chooses a group of dead letters, as a query string.
func (decideView) Words(g control.Group) template.URL { return words(g.Filter()) }

// Why returns why the letters of a group are dead, empty where their status says it.
func (decideView) Why(g control.Group) string {
	if g.Status != 0 && strings.HasPrefix(g.Reason, strconv.Itoa(g.Status)) {
		return ""
	}
	return g.Reason
}

// OddWords returns what chooses a group of quarantine, as a query string.
func (decideView) OddWords(g control.OddGroup) template.URL { return words(g.Filter()) }

// ParkedWords returns what chooses the deliveries that are parked for a route.
func (decideView) ParkedWords(r control.Route) template.URL {
	return words(control.Filter{Source: r.Source, Route: r.Route, State: control.RouteParked})
}

// words returns a filter as a query string: its JSON has the same words as an address.
func words(f control.Filter) template.URL {
	raw, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&members) != nil {
		return ""
	}
	v := url.Values{}
	for name, value := range members {
		v.Set(name, fmt.Sprint(value))
	}
	return template.URL(v.Encode()) // Encode has escaped it.
}

// decide shows dead letters, quarantine and what is parked.
func (d *Dashboard) decide(c *call) error {
	var v decideView
	s, err := d.status.get(c.r.Context())
	if err != nil {
		return err
	}
	if v.Unavailable = s.Store.Unavailable; v.Unavailable == "" {
		if v.Dead, err = d.dead.get(c.r.Context()); err != nil {
			return err
		}
		if v.Odd, err = d.odd.get(c.r.Context()); err != nil {
			return err
		}
	}
	v.Dead.Groups, v.MoreDead = cut(v.Dead.Groups)
	v.Odd.Groups, v.MoreOdd = cut(v.Odd.Groups)
	for _, r := range s.Routes {
		if r.State == control.RouteParked && r.Waiting > 0 {
			v.Parked = append(v.Parked, r)
		}
	}
	v.Parked, _ = cut(v.Parked)
	v.Jobs = d.Jobs.list(c.now)
	v.frame = c.frame("Decide", "/decide")
	v.Every = 5
	return c.show("decide", http.StatusOK, v)
}

// cut returns the first of a list, and how many it leaves out.
func cut[T any](all []T) ([]T, int) {
	n := min(len(all), mostGroups)
	return all[:n], len(all) - n
}
