package routing

import "fmt"

// CheckName refuses a name of a source or a route that fits no header. what says in one
// word what it is.
func CheckName(what, name string) error {
	if name == "" {
		return fmt.Errorf("%s is empty: give one", what)
	}
	if len(name) > 256 {
		return fmt.Errorf("%s has %d bytes: at most 256 fit into a header", what, len(name))
	}
	for i := range len(name) {
		if name[i] < '!' || name[i] > '~' {
			return fmt.Errorf("%s %q holds a space or a byte that fits no header: use letters, digits, `-`, `.`, `:`", what, name)
		}
	}
	return nil
}
