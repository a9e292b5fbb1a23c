package dashboard

import (
	"context"
	"fmt"
	"net/http"

	"github.com/inboxgate/inboxgate/internal/control"
)

// storeView is how the store is.
type storeView struct {
	frame
	Status  control.Status
	Percent int // of the room, -1 where that is not known
	Members []control.Member
	More    int
}

// Embedded reports whether the store is a file of its own.
func (v storeView) Embedded() bool { return v.Status.Store.Engine == "sqlite" }

// store shows how the store is.
func (d *Dashboard) store(c *call) error {
	s, err := d.status.get(c.r.Context())
	if err != nil {
		return err
	}
	v := storeView{Status: s, Percent: -1}
	if s.Max > 0 {
		v.Percent = int(100 * s.Store.Used / s.Max)
	}
	v.Members, v.More = cut(s.Store.Members)
	title := "Store"
	if len(v.Members) > 0 {
		title = "Store and members"
	}
	v.frame = c.frame(title, "/store")
	v.Every = 5
	return c.show("store", http.StatusOK, v)
}

// backup sends a copy of the store as a file. It holds all that there is, phone numbers
// too.
func (d *Dashboard) backup(c *call) error {
	if !d.Reveal {
		d.Refused(c.r, NoReveal)
		return &control.Error{Status: http.StatusForbidden, Message: "a copy of the store has phone numbers in it, which this dashboard does not show: allow it with `reveal operate`, or use `inboxgate store backup`"}
	}
	// It takes as long as the reader does, and ends with the reader.
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.r.Context()))
	defer cancel()
	out := &download{w: c.w, name: "inbox-" + c.now.UTC().Format("20060102-150405") + ".db"}
	err := d.Client.Backup(ctx, out, func(_, whole int64) { out.size = whole })
	if err != nil && out.begun {
		panic(http.ErrAbortHandler) // The browser must see that the file is not whole.
	}
	return err
}

// download is a file on its way to a browser.
type download struct {
	w     http.ResponseWriter
	name  string
	size  int64 // of the whole file
	begun bool
}

// Write sends a part of the file, after the headers of a file.
func (f *download) Write(b []byte) (int, error) {
	if !f.begun {
		f.begun = true
		h := f.w.Header()
		h.Set("Content-Type", "application/vnd.sqlite3")
		h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
		h.Set("Content-Length", fmt.Sprint(f.size))
	}
	return f.w.Write(b)
}
