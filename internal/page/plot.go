package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// Series is one row of values of a Plot.
type Series struct {
	// Name says what is counted, as "delivered".
	Name string
	// Values has one for each of the Plot's times. A negative one is unknown, and shown
	// as a dash in the table and as nothing in the picture.
	Values []float64
}

// Plot is a small picture of bars, the oldest at the left, with its values in a table.
type Plot struct {
	// ID is unique on the page: letters, digits and dashes.
	ID string
	// Title says what is shown, with its unit: "Events a minute, the last hour".
	Title string
	// Times are the begins of what the values are of.
	Times []time.Time
	// Series are one or two rows of values. The second is drawn upon the first.
	Series []Series
	// Format returns a value in words. Default: the number itself.
	Format func(float64) string
	// Bare leaves out the table, where another says the same.
	Bare bool
}

// Measures of a plot's picture, in its own units.
const (
	barWidth   = 4
	plotHeight = 32
	// slots is how many bars a plot has room for at least: one that has just begun fills
	// from the right.
	slots = 60
)

// Plot returns a plot as HTML. It is a method of Frame for the sake of its times.
func (f Frame) Plot(p Plot) template.HTML {
	if p.Format == nil {
		p.Format = func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	}
	var b strings.Builder
	esc := template.HTMLEscapeString
	fmt.Fprintf(&b, `<figure class="plot"><svg viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-labelledby="%[3]s-title"><title id="%[3]s-title">%s: %s</title>`,
		max(len(p.Times), slots)*barWidth, plotHeight, esc(p.ID), esc(Plain(p.Title)), esc(Plain(p.summary())))
	p.draw(&b)
	b.WriteString(`</svg>`)
	if !p.Bare {
		f.table(&b, p)
	}
	b.WriteString(`</figure>`)
	return template.HTML(b.String()) //nolint:gosec // Each text was escaped.
}

// draw writes the bars of all series.
func (p Plot) draw(b *strings.Builder) {
	top := 0.0
	for _, s := range p.Series {
		for _, v := range s.Values {
			top = max(top, v)
		}
	}
	for i, s := range p.Series {
		class := "mark"
		if i > 0 {
			class = "mark second"
		}
		fmt.Fprintf(b, `<path class="%s" d="`, class)
		for n, v := range s.Values {
			if v <= 0 || top <= 0 {
				continue
			}
			h := max(v/top*(plotHeight-2), 1)
			fmt.Fprintf(b, "M%d %.1fh%dv%.1fh-%dz", (n+max(slots-len(p.Times), 0))*barWidth, plotHeight-1-h, barWidth-1, h, barWidth-1)
		}
		b.WriteString(`"/>`)
	}
	fmt.Fprintf(b, `<path class="base" d="M0 %d.5h%d"/>`, plotHeight-1, max(len(p.Times), slots)*barWidth)
}

// summary returns the plot in one sentence, for readers who do not see it.
func (p Plot) summary() string {
	var parts []string
	for _, s := range p.Series {
		top, last := -1.0, -1.0
		for _, v := range s.Values {
			if v >= 0 {
				last = v
			}
			top = max(top, v)
		}
		if last < 0 {
			parts = append(parts, s.Name+" nothing yet")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s at last, %s at most", s.Name, p.Format(last), p.Format(top)))
	}
	return strings.Join(parts, "; ")
}

// table writes the values of a plot under a <details>, the newest first.
func (f Frame) table(b *strings.Builder, p Plot) {
	esc := template.HTMLEscapeString
	title := esc(Plain(p.Title))
	fmt.Fprintf(b, `<details id="%[1]s-table"><summary>values<span class="hush"> of %[2]s</span></summary><div class="scroll" tabindex="0" role="region" aria-label="Values of %[2]s"><table><thead><tr><th scope="col">begins</th>`, esc(p.ID), title)
	for _, s := range p.Series {
		fmt.Fprintf(b, `<th scope="col" class="num">%s</th>`, esc(Plain(s.Name)))
	}
	b.WriteString(`</tr></thead><tbody>`)
	for n := len(p.Times) - 1; n >= 0; n-- {
		fmt.Fprintf(b, `<tr><th scope="row">%s</th>`, f.Time(p.Times[n]))
		for _, s := range p.Series {
			text := "–"
			if n < len(s.Values) && s.Values[n] >= 0 {
				text = p.Format(s.Values[n])
			}
			fmt.Fprintf(b, `<td class="num">%s</td>`, esc(text))
		}
		b.WriteString(`</tr>`)
	}
	b.WriteString(`</tbody></table></div></details>`)
}
