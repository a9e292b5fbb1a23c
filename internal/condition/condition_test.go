package condition_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/condition"
)

var at = time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC)

// failed is an event as the platform sends it.
func failed(data string) condition.Event {
	return condition.Event{
		ID: "evt_1", Type: "message.failed", Source: "inbox", CreatedAt: at, ReceivedAt: at.Add(time.Minute),
		Body: []byte(`{"id":"evt_1","type":"message.failed","created_at":"2025-01-15T10:30:00Z","data":` + data + `}`),
	}
}

const documented = `{"message_id":"msg_1","to":"+15551234567","error_code":"recipient_unreachable","tries":3,"ratio":0.5,"final":true,"none":null,"tags":["a","b"],"of":{"deep":{"er":"x"}}}`

func TestMatch(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]bool{
		`data.error_code == "recipient_unreachable"`:                       true,
		`data.error_code == 'expired'`:                                     false,
		`data.error_code in ["expired", "recipient_unreachable"]`:          true,
		`data.to.startsWith("+1") && data.tries >= 3`:                      true,
		`data.tries == 3.0 && data.ratio < 1`:                              true,
		`data.final == true`:                                               true,
		`data.none == null`:                                                true,
		`"b" in data.tags && data.tags.size() == 2`:                        true,
		`data.tags.exists(x, x.startsWith("b"))`:                           true,
		`data["of"].deep["er"] == "x"`:                                     true,
		`has(data.error_code) && !has(data.unknown)`:                       true,
		`data.to.matches("^\\+1555")`:                                      true,
		`event.id == "evt_1" && event.source == "inbox"`:                   true,
		`event.type == "message.failed"`:                                   true,
		`event.received_at - event.created_at == duration("60s")`:          true,
		`event.created_at < timestamp("2025-01-15T10:30:01Z")`:             true,
		`event.created_at.getHours() == 10`:                                true,
		`has(event.created_at)`:                                            true,
		`[event].all(e, e.type == "message.failed")`:                       true,
		`data == {"message_id": "msg_1"}`:                                  false,
		`has(data.unknown) && data.unknown == 1`:                           false,
		`data.unknown == 1 || true`:                                        true,
		`type(data.tries) == int && type(data.ratio) == double`:            true,
		"data.error_code\n  != \"expired\"":                                true,
		`data.error_code.contains("unreach") ? true : data.absent == "no"`: true,
	} {
		c, err := condition.Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, err := c.Match(condition.NewInput(failed(documented))); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", expression, got, err, want)
		}
	}
}

// What is neither true nor false does not match, and is told without a value of the event.
func TestFailure(t *testing.T) {
	t.Parallel()
	const secret = "+15551234567"
	for _, c := range []struct{ expression, data, want string }{
		{`data.eror_code == "x"`, documented, "there is no data.eror_code: ask has(data.eror_code) first"},
		{`data["eror_code"] == "x"`, documented, "there is no data.eror_code: ask has(data.eror_code) first"},
		{`data.of.deeper.er == "x"`, documented, "there is no data.of.deeper: ask has(data.of.deeper) first"},
		{`data[data.to] == "x"`, documented, "look at data.to"},
		{`timestamp(data.to) < event.created_at`, documented, "look at data.to, event.created_at"},
		{`"abc".matches(data.to)`, documented, "look at data.to"},
		{`data.to > 3`, documented, "look at data.to"},
		{`data.tags[5] == data.to`, documented, "look at data.tags, data.to"},
		{`int(data.to + "x") == 1`, documented, "look at data.to"},
		{`data.error_code == "x"`, `"` + secret + `"`, "there is no data.error_code"},
		{`data.error_code == "x"`, `null`, "there is no data.error_code"},
		{`data.error_code == "x"`, `[{}]`, "look at data.error_code"},
		{`data.tags.all(x, data.tags.all(y, data.tags.all(z, x != y + z + "?")))`, `{"tags":[` + strings.Repeat(`"`+secret+`",`, 200) + `""]}`, "it takes too long"},
		{`event.created_at > timestamp("2020-01-01T00:00:00Z")`, "", "the event has no created_at: ask has(event.created_at) first"},
		{`data.x == 1`, `{`, "the body is no JSON that could be read"},
		{`data == data`, `{"x":` + strings.Repeat("[", 20000), "the body is no JSON that could be read"},
	} {
		compiled, err := condition.Compile(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		e := failed(c.data)
		if c.data == "" {
			e = condition.Event{Body: []byte(`{}`)}
		}
		got, err := compiled.Match(condition.NewInput(e))
		if got {
			t.Errorf("%s matches %.80s", c.expression, c.data)
		}
		if _, ok := errors.AsType[condition.UnclearError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %.80s: %v, want %s", c.expression, c.data, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the failure quotes the event: %v", c.expression, err)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"":                                     "the expression is empty",
		"  ":                                   "the expression is empty",
		`data.a = 1`:                           "column 8: '=' compares nothing; write ==",
		`data.a == `:                           "column 11: the expression ends too early",
		`"data.a" == "x"`:                      "names neither event nor data",
		`true`:                                 "names neither event nor data",
		`dat.a == 1`:                           "column 1: nothing is called 'dat'; an expression knows event and data, did you mean 'data'?",
		`true && request.path == ""`:           "column 9: nothing is called 'request'; an expression knows event and data",
		`data.a == expired`:                    `column 11: nothing is called 'expired'; an expression knows event and data: write "expired" if it is a text, data.expired if it is a member`,
		`error_code == "x"`:                    `column 1: nothing is called 'error_code'; an expression knows event and data: write "error_code" if it is a text, data.error_code if it is a member`,
		`data.a.startswith("x")`:               "nothing is called 'startswith'; an expression knows event and data, did you mean 'startsWith'?",
		`data.a == "x" and data.b == "y"`:      "column 15: 'and' is no word of an expression; write &&",
		`data.a == "x" OR data.b == "y"`:       "'OR' is no word of an expression; write ||",
		`data.a not in ["x"]`:                  "'not' is no word of an expression; write ! before what must be false",
		`data.a == "x" && not(data.b == "y")`:  "column 21: nothing is called 'not'; an expression knows event and data: write",
		`data.a == True`:                       "nothing is called 'True'; an expression knows event and data, did you mean 'true'?",
		`data.a == “x”`:                        "column 11: “ is no quote of an expression; write \"",
		`event.typ == "x"`:                     "column 6: event has no member 'typ'; it has id, type, source, created_at, received_at (what the platform says of the message is in data), did you mean 'type'?",
		`event.message_id == "x"`:              "column 6: event has no member 'message_id'",
		`event.type == 5`:                      "column 12: found no matching overload for '_==_'",
		`data.a`:                               "may be anything and must be true or false: compare it, for example data.a == true",
		`event.type`:                           "the expression is of type string and must be true or false",
		`1 + 2`:                                "is of type int",
		`event.created_at`:                     "is of type timestamp",
		`event.created_at - event.received_at`: "is of type duration",
		`event`:                                "must be true or false",
		"data.a == 1 &&\n dta.b":               "line 2, column 2: nothing is called 'dta'",
		`data.a.matches("(")`:                  "preparing the expression",
		`data.a.lowerAscii() == "x"`:           "column 18: ",
		`"` + strings.Repeat("x", 9000) + `" == ""`: "at most 8192 are taken",
		strings.Repeat("(", 500) + "true":           "column ",
		"data.a == \"\x00\xff":                      "column ",
	} {
		_, err := condition.Compile(expression)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", expression, err, want)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: the error has several lines: %v", expression, err)
		}
	}
}

// Bodies that hurt decoders: each must be answered, within its cost.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[`, 9990) + strings.Repeat(`]`, 9990)
	deepObject := strings.Repeat(`{"a":`, 9990) + `1` + strings.Repeat(`}`, 9990)
	long := `[` + strings.Repeat(`1,`, 500_000) + `1]`
	for name, c := range map[string]struct {
		expression, data string
		want, fails      bool
	}{
		"10,000 levels":                 {`data.size() == 1`, deep, true, false},
		"10,000 levels, compared":       {`data == data`, deep, true, false},
		"1 MiB list, compared":          {`data == data`, long, false, true},
		"compared with each":            {`data.all(x, data != [x])`, long, false, true},
		"searched":                      {`data.exists(x, !(1 in data))`, long, false, true},
		"searched for a list":           {`[1, 2, 3].exists(x, [data] in [[data], [data]])`, long, false, true},
		"1 MiB text, matched":           {`data.matches("(a|b|ab)*c(d|e)*x{100}")`, `"` + strings.Repeat("ab", 1<<19) + `"`, false, true},
		"1 MiB text, converted":         {`[1,2,3,4,5,6,7,8,9].all(x, string(bytes(data)) == data)`, `"` + strings.Repeat("ab", 1<<19) + `"`, false, true},
		"10,000 objects":                {`data.a.a.a.a != 1`, deepObject, true, false},
		"1 MiB list, its length":        {`data.size() == 500001`, long, true, false},
		"1 MiB list, each":              {`data.all(x, x == 1)`, long, false, true},
		"1 MiB text":                    {`data.startsWith("x")`, `"` + strings.Repeat("x", 1<<20) + `"`, true, false},
		"1 MiB text, doubled and again": {`[data].map(x, x+x).map(x, x+x).map(x, x+x).map(x, x+x) != []`, `"` + strings.Repeat("x", 1<<20) + `"`, false, true},
		"huge number":                   {`data.n > 1e300`, `{"n":1e400}`, true, false},
		"huge negative number":          {`data.n < -1e300`, `{"n":-1e400}`, true, false},
		"tiny number":                   {`data.n == 0`, `{"n":1e-400}`, true, false},
		"long whole number":             {`data.n > 1e28`, `{"n":123456789012345678901234567890}`, true, false},
		"exact whole number":            {`data.n == 9007199254740993`, `{"n":9007199254740993}`, true, false},
		"duplicate name":                {`data.a == 2`, `{"a":1,"a":2}`, true, false},
		"duplicate name by escape":      {`data.a == 2`, `{"a":1,"\u0061":2}`, true, false},
		"lone surrogate":                {`data.a == "\ufffd"`, `{"a":"\ud800"}`, true, false},
		"NUL":                           {`data.a == "\x00"`, `{"a":"\u0000"}`, true, false},
		"name of nothing":               {`data[""] == 1`, `{"":1}`, true, false},
		"many names":                    {`data.size() == 50000`, `{` + strings.TrimSuffix(names(50_000), ",") + `}`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compiled, err := condition.Compile(c.expression)
			if err != nil {
				t.Fatal(err)
			}
			got, err := compiled.Match(condition.NewInput(failed(c.data)))
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("%v, %v; want %v, failure %v", got, err, c.want, c.fails)
			}
		})
	}
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":1,`, i)
	}
	return b.String()
}

// An absent data is an empty object; the envelope's own names are case sensitive.
func TestWithoutData(t *testing.T) {
	t.Parallel()
	compiled, err := condition.Compile(`!has(data.a)`)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{}`, `{"DATA":{"a":1},"x":{"data":{"a":1}}}`, `{"data":{"a":1},"data":{}}`} {
		if got, err := compiled.Match(condition.NewInput(condition.Event{Body: []byte(body)})); !got || err != nil {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
}

// The data is decoded at the first question for it, and once.
func TestDecodedOnce(t *testing.T) { // Not parallel: AllocsPerRun counts those of all.
	about, err := condition.Compile(`event.type == "message.failed"`)
	if err != nil {
		t.Fatal(err)
	}
	of, err := condition.Compile(`data.tags.size() == 2`)
	if err != nil {
		t.Fatal(err)
	}
	e := failed(documented)
	in := condition.NewInput(e)
	long := failed(`{"list":[` + strings.Repeat(`{"a":1},`, 10_000) + `1]}`)
	before := testing.AllocsPerRun(10, func() { _, _ = about.Match(condition.NewInput(long)) })
	if ok, err := of.Match(in); !ok || err != nil {
		t.Fatal(ok, err)
	}
	copy(e.Body, strings.Repeat("x", len(e.Body))) // Decoded again it would be no JSON.
	if ok, err := of.Match(in); !ok || err != nil {
		t.Errorf("the second question decodes anew: %v, %v", ok, err)
	}
	if before > 100 {
		t.Errorf("a question about event alone takes %v allocations: is data decoded?", before)
	}
}

// Conditions are shared by all requests.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	compiled, err := condition.Compile(`data.tags.exists(x, x == "b") && event.source == "inbox"`)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for range 8 {
			go func() {
				for range 100 {
					if ok, err := compiled.Match(condition.NewInput(failed(documented))); !ok || err != nil {
						t.Error(ok, err)
					}
				}
			}()
		}
		synctest.Wait()
	})
}

// FuzzMatch finds that neither an expression nor a body brings a panic, a hang or a
// text of the body into the failure.
func FuzzMatch(f *testing.F) {
	f.Add(`data.error_code == "expired"`, documented)
	f.Add(`data.tags.all(x, data.tags.all(y, x != y))`, documented)
	f.Add(`timestamp(data.to) > event.created_at`, `{"to":"+15551234567"}`)
	f.Add(`data.n == 1`, `{"n":1e400,"n":-0}`)
	f.Add(`has(data.a.b) || data.c[0] == "x"`, `{"a":null,"c":{}}`)
	f.Fuzz(func(t *testing.T, expression, data string) {
		compiled, err := condition.Compile(expression)
		if err != nil {
			return
		}
		const secret = "fff1551d"
		begin := time.Now()
		_, err = compiled.Match(condition.NewInput(failed(strings.ReplaceAll(data, "1555", secret))))
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%q takes %s", expression, took)
		}
		if err != nil && strings.Contains(err.Error(), secret) && !strings.Contains(expression, secret) {
			t.Errorf("the failure of %q quotes the event: %v", expression, err)
		}
	})
}

// The bound holds in time, too: what it stops has not run for long.
func TestCostIsTime(t *testing.T) {
	t.Parallel()
	long := failed(`[` + strings.Repeat(`"x",`, 200_000) + `"x"]`)
	for _, expression := range []string{
		`data.all(x, data.all(y, x == y))`, `data.all(x, x in data)`, `data.all(x, data == data)`, `data.all(x, x + x + x != "")`,
		`data.map(x, data).size() > 0`, `data.map(x, data + data).size() > 0`, `data.filter(x, x.matches("x+")).size() > 0`,
	} {
		compiled, err := condition.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		in := condition.NewInput(long)
		begin := time.Now()
		if _, err := compiled.Match(in); err == nil {
			t.Errorf("%s ends", expression)
		}
		if took := time.Since(begin); took > 30*time.Second { // 40 ms where nothing else runs; without a bound minutes to hours.
			t.Errorf("%s takes %s", expression, took)
		} else {
			t.Log(expression, took)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, bb := range []struct{ name, expression, data string }{
		{"event", `event.type == "message.failed"`, documented},
		{"data", `data.error_code == "recipient_unreachable"`, documented},
		{"data,dozen", `data.error_code in ["expired", "recipient_unreachable"] && data.to.startsWith("+1") && (data.tries > 2 || data.final == true) && "b" in data.tags && data.of.deep.er == "x"`, documented},
		{"16KiB", `data.a == 1`, `{"list":[` + strings.Repeat(`{"k":"value","n":12345},`, 680) + `null],"a":1}`},
		{"limit", `data.list.all(x, data.list.all(y, x != y + "x"))`, `{"list":[` + strings.Repeat(`"value",`, 680) + `""]}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			compiled, err := condition.Compile(bb.expression)
			if err != nil {
				b.Fatal(err)
			}
			e := failed(bb.data)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = compiled.Match(condition.NewInput(e))
			}
		})
	}
}
