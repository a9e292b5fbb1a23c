//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// outcome is what one row gave.
type outcome struct {
	Comparisons []comparison `json:"comparisons"`
	Series      []*series    `json:"series"`
	Notes       []string     `json:"notes,omitempty"`
}

func (o *outcome) note(format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, args...))
}

// join adds what another measurement of the same row gave.
func (o *outcome) join(other outcome) {
	o.Comparisons = append(o.Comparisons, other.Comparisons...)
	o.Series = append(o.Series, other.Series...)
	o.Notes = append(o.Notes, other.Notes...)
}

// report is the whole run.
type report struct {
	Machine machine      `json:"machine"`
	Flags   string       `json:"flags"`
	Short   bool         `json:"short,omitempty"`
	Took    string       `json:"took"`
	Quiet   string       `json:"quiet"`
	Rows    []reportRow  `json:"rows"`
	Skipped []skippedRow `json:"skipped,omitempty"`
}

type reportRow struct {
	Row   string `json:"row"`
	Title string `json:"title"`
	Brief string `json:"brief"`
	outcome
}

type skippedRow struct {
	Row string `json:"row"`
	Why string `json:"why"`
}

func (r *report) skip(row, why string) { r.Skipped = append(r.Skipped, skippedRow{row, why}) }

func (r *report) add(row row, o outcome) {
	if len(o.Series) > 0 {
		r.Rows = append(r.Rows, reportRow{row.name, row.title, row.brief, o})
	}
}

// row is what one of them gave, or nil.
func (r *report) row(name string) *reportRow {
	for i := range r.Rows {
		if r.Rows[i].Row == name {
			return &r.Rows[i]
		}
	}
	return nil
}

func (r *report) void() bool {
	for _, row := range r.Rows {
		for _, s := range row.Series {
			if s.void() != "" {
				return true
			}
		}
	}
	return false
}

// readReport reads what an earlier run has written.
func readReport(file string) (*report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading an earlier run: %w", err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("reading an earlier run: %w", err)
	}
	return &r, nil
}

// write gives the tables, and more to the files that the options name.
func (r *report) write(w io.Writer, o options) error {
	if _, err := io.WriteString(w, r.markdown()); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	if o.json != "" {
		if err := r.save(o.json); err != nil {
			return err
		}
	}
	if o.docs != "" {
		return r.publish(o.docs)
	}
	return nil
}

// save writes every round's figures.
func (r *report) save(file string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing figures: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing figures: %w", err)
	}
	return nil
}
