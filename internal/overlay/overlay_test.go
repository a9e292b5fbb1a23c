package overlay

import "testing"

func TestReplacementsThatDoNotMatch(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Replacement{
		"nowhere":  {"verify/verify.go", "no such words", "x"},
		"twice":    {"verify/verify.go", "return", "x"},
		"empty":    {"verify/verify.go", "", "x"},
		"no file":  {"verify/nothing.go", "x", "y"},
		"in turn":  {"verify/verify.go", "func New(", "func Old("},
		"no match": {"verify/verify.go", "now: time.Now }", "x"},
	} {
		set := []Replacement{r}
		if name == "in turn" {
			set = append(set, r) // The first takes away what the second looks for.
		}
		if list, err := Write(t.TempDir(), set); err == nil {
			t.Errorf("%s: no error, and the list %s", name, list)
		}
	}
}
