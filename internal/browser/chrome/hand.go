package chrome

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Press presses a button or follows a link, and does not wait for what comes of it.
func (tab *Tab) Press(w What) {
	tab.t.Helper()
	tab.reach(w, func(e element) error {
		if tab.hand != Keyboard {
			return tab.click(e.node)
		}
		if err := tab.walk(e.node); err != nil {
			return err
		}
		return tab.key(kb.Enter)
	})
}

// notice is how long a press takes at most until the browser asks for a page.
const notice = 5 * time.Second

// Follow is Press of what leads to another page, and returns once that has loaded. Where
// a page that loads itself again has taken the press away, it is pressed once more.
func (tab *Tab) Follow(w What) {
	tab.t.Helper()
	before, _ := tab.watch.pressed()
	for tries, asked := 0, false; !asked; tries++ {
		if tries == 3 {
			tab.t.Fatalf("pressing %s at %s leads nowhere", w, tab.watch.last())
		}
		tab.Press(w)
		end := time.Now().Add(notice)
		tab.Until("a page to be asked for", func() bool {
			n, _ := tab.watch.pressed()
			asked = n > before
			return asked || time.Now().After(end)
		})
	}
	tab.Until("the page to load", func() bool {
		_, loaded := tab.watch.pressed()
		return loaded
	})
}

// Switch presses what the space bar switches: a checkbox, a radio button, a summary.
func (tab *Tab) Switch(w What) {
	tab.t.Helper()
	tab.reach(w, func(e element) error {
		if tab.hand != Keyboard {
			return tab.click(e.node)
		}
		if err := tab.walk(e.node); err != nil {
			return err
		}
		return tab.key(" ")
	})
}

// Fill replaces what a field holds.
func (tab *Tab) Fill(w What, text string) {
	tab.t.Helper()
	tab.reach(w, func(e element) error {
		if err := tab.enter(e.node); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(tab.ctx, Patience)
		defer cancel()
		return chromedp.Do(ctx, chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)),
			chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(text))
	})
}

// Choose chooses an option of a list by the beginning of its name, which is typed, as
// the browser's own list is not a part of the page.
func (tab *Tab) Choose(w What, option string) {
	tab.t.Helper()
	tab.reach(w, func(e element) error {
		if tab.hand == Keyboard {
			if err := tab.walk(e.node); err != nil {
				return err
			}
		} else if _, err := try(tab, dom.Focus, dom.FocusParams{BackendNodeID: e.node}); err != nil {
			return err
		}
		if err := tab.key(option); err != nil {
			return err
		}
		chosen, err := on[string](tab, e.node, `function() { return this.selectedOptions[0].label }`)
		if err == nil && len(chosen) < len(option) || err == nil && chosen[:len(option)] != option {
			tab.t.Fatalf("choosing %q of %s: %q is chosen", option, w, chosen)
		}
		return err
	})
}

// Type presses keys wherever the focus is.
func (tab *Tab) Type(keys string) {
	tab.t.Helper()
	tab.must(tab.key(keys))
}

// Hit presses one key that a page may take for itself: a letter goes on into a field only
// if the page does not.
func (tab *Tab) Hit(key string) {
	tab.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		e := input.DispatchKeyEventParams{Type: kind, Key: key}
		if kind == input.DispatchKeyEventTypeKeyDown {
			e.Text = key
		}
		call(tab, input.DispatchKeyEvent, e)
	}
}

// enter puts the focus into a field.
func (tab *Tab) enter(node cdp.BackendNodeID) error {
	if tab.hand == Keyboard {
		return tab.walk(node)
	}
	return tab.click(node)
}

// reach finds a thing and does something with it. A refresh of the page may take it
// away in between: then it is looked for again.
func (tab *Tab) reach(w What, do func(element) error) {
	tab.t.Helper()
	var last error
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		all, err := tab.all(w)
		if err == nil && len(all) == 0 {
			err = errors.New("there is none")
		}
		if err == nil {
			if err = do(all[0]); err == nil {
				return
			}
		}
		if errors.Is(err, errUnreachable) {
			tab.t.Fatalf("reaching %s at %s: %v", w, tab.watch.last(), err)
		}
		last = err
		<-tick.C
	}
	tab.t.Fatalf("reaching %s at %s: %v", w, tab.watch.last(), last)
}

// Loads returns once what do causes has loaded a page.
func (tab *Tab) Loads(do func()) {
	tab.t.Helper()
	before := tab.watch.loaded()
	do()
	tab.Until("a page to load", func() bool { return tab.watch.loaded() > before })
}

// errUnreachable is the error of what a person cannot get to.
var errUnreachable = errors.New("it cannot be reached")

// click clicks into the middle of an element, where the element itself must be seen.
func (tab *Tab) click(node cdp.BackendNodeID) error {
	if _, err := try(tab, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: node}); err != nil {
		return err
	}
	quads, err := try(tab, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node})
	if err != nil {
		return err
	}
	if len(quads.Quads) == 0 {
		return fmt.Errorf("%w: it has no place on the page", errUnreachable)
	}
	x, y := middle(quads.Quads[0])
	hit, err := on[bool](tab, node, fmt.Sprintf(`function() {
		const there = document.elementFromPoint(%f, %f);
		return !!there && (this.contains(there) || there.contains(this) && there.tagName === "LABEL");
	}`, x, y))
	if err != nil {
		return err
	}
	if !hit {
		return errors.New("something lies over it")
	}
	ctx, cancel := context.WithTimeout(tab.ctx, notice)
	defer cancel()
	return lost(chromedp.Do(ctx, chromedp.MouseClickXY(x, y)))
}

// lost is the error of an input, but for the one that the page did not live to confirm.
func lost(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func middle(q dom.Quad) (x, y float64) {
	for i := 0; i+1 < len(q); i += 2 {
		x, y = x+q[i], y+q[i+1]
	}
	return math.Round(x / float64(len(q)/2)), math.Round(y / float64(len(q)/2))
}

// stops is how often Tab is pressed at most, to get to one thing of a page.
const stops = 400

// walk presses Tab until an element has the focus, which must be seen there.
func (tab *Tab) walk(node cdp.BackendNodeID) error {
	for pressed := range stops {
		there, err := on[bool](tab, node, `function() { return document.activeElement === this }`)
		if err != nil {
			return err
		}
		if there && pressed > 0 {
			return tab.focusSeen(node)
		}
		if there {
			// The page's address has given it the focus, before the tab had it: a person
			// goes on, and comes back.
			if err := tab.key(kb.Tab); err != nil {
				return err
			}
			if err := tab.keyBack(); err != nil {
				return err
			}
			return tab.focusSeen(node)
		}
		if err := tab.key(kb.Tab); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w by %d presses of Tab", errUnreachable, stops)
}

// focusSeen returns an error unless the element that has the focus shows it.
func (tab *Tab) focusSeen(node cdp.BackendNodeID) error {
	seen, err := on[bool](tab, node, `function() {
		const style = getComputedStyle(this);
		return this.matches(":focus") &&
			(style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== "none");
	}`)
	if err == nil && !seen {
		err = fmt.Errorf("%w: the focus on it cannot be seen", errUnreachable)
	}
	return err
}

// keyBack presses Tab with Shift.
func (tab *Tab) keyBack() error {
	ctx, cancel := context.WithTimeout(tab.ctx, Patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
}

// key presses keys.
func (tab *Tab) key(keys string) error {
	ctx, cancel := context.WithTimeout(tab.ctx, Patience)
	defer cancel()
	return chromedp.Do(ctx, chromedp.KeyEvent(keys))
}
