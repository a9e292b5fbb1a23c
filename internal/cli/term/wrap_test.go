package term

import "testing"

func TestWrap(t *testing.T) {
	t.Parallel()
	red := Palette(true)
	forty := "0123456789 0123456789 0123456789 01234567"
	for name, c := range map[string]struct{ line, glue, want string }{
		"short":    {"  short  text", "", "  short  text"},
		"words":    {"  " + forty + " " + forty, "", "  " + forty + " 0123456789 0123456789 0123456789\n    01234567"},
		"colours":  {red.Bad(forty) + " " + red.Bad(forty[:38]), "", red.Bad(forty) + " " + red.Bad(forty[:38])},
		"one word": {"x " + forty[:10] + forty[:10] + forty[:10] + "0123456789012345678901234567890123456789012345678901234567890", "", "x 012345678901234567890123456789\n    0123456789012345678901234567890123456789012345678901234567890"},
		"command": {
			"  inboxgate trigger all --to http://127.0.0.1:12345/webhooks/inbox/long --duplicate x", ` \`,
			"  inboxgate trigger all --to http://127.0.0.1:12345/webhooks/inbox/long \\\n    --duplicate x",
		},
	} {
		if name == "one word" {
			c.line = "x 012345678901234567890123456789 0123456789012345678901234567890123456789012345678901234567890"
		}
		if got := Wrap(c.line, 4, c.glue); got != c.want {
			t.Errorf("%s:\n%q, want\n%q", name, got, c.want)
		}
	}
}
