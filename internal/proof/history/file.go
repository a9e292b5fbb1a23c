package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Write writes the record as JSON lines.
func (l *Log) Write(w io.Writer) error {
	buf := bufio.NewWriter(w)
	enc := json.NewEncoder(buf)
	for _, e := range l.Entries() {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("writing history: %w", err)
		}
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("writing history: %w", err)
	}
	return nil
}

// Entries is a copy of the record.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Read reads what Write wrote.
func Read(r io.Reader) (entries []Entry, err error) {
	dec := json.NewDecoder(r)
	for {
		var e Entry
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading history: line %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
}

// Check judges the record as it is now.
func (l *Log) Check(r Rules) Report { return Check(l.Entries(), r) }
