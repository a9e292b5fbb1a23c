// Package condition compiles and evaluates the `if` expressions of routes.
//
// An expression is CEL, over two variables: `event`, with the members id, type and
// source (strings), created_at and received_at (timestamps), and `data`, what the
// body's member of that name holds. The functions are CEL's own and no others.
//
// Guarantee: an expression is checked when it is compiled: that it is CEL, that event
// has what it asks for, and that it is true or false. Evaluating one takes a bounded
// number of steps whatever a body holds, changes nothing, and gives the same answer on
// every machine. The data of an event is decoded once however many expressions ask for
// it, and not at all where none does. What an UnclearError says is made of the expression's
// own text, and never of an event's.
//
// Limits: what is in data is known only when an event comes, so a misspelt member is
// no mistake but an UnclearError at each event. A name that stands twice in an object has the
// value of the last, as in most readers of JSON. Whole numbers beyond 64 bits, and all
// others, are floating point; what is too large for that is infinite.
package condition

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/inboxgate/inboxgate/internal/nearest"
)

const (
	// maxCost bounds one evaluation, in the units of meter. An expression that compares
	// a dozen members takes 50, and to reach the bound some ten milliseconds.
	maxCost = 20_000
	// maxText bounds an expression, in bytes.
	maxText = 8 << 10
)

// Condition is a compiled expression. It may be used concurrently.
type Condition struct {
	program cel.Program
	members []string // Those that the expression names, as it writes them, sorted.
}

// environment is what expressions know. It is made once: that takes milliseconds.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	known, err := newProvider()
	if err != nil {
		return nil, err
	}
	return cel.NewEnv(
		cel.CustomTypeProvider(known), cel.CustomTypeAdapter(known),
		cel.Variable(eventName, cel.ObjectType(eventType)), cel.Variable(dataName, cel.DynType),
		cel.ParserRecursionLimit(100),
	)
})

// Compile checks an expression and prepares it. Its errors say in which column the
// mistake is, and how to mend it where that is known.
func Compile(text string) (*Condition, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, errors.New("the expression is empty: write one that is true or false, for example data.error_code == \"expired\"")
	case len(text) > maxText:
		return nil, fmt.Errorf("the expression has %d bytes: at most %d are taken", len(text), maxText)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, explain(issues)
	}
	if t := checked.OutputType(); t != cel.BoolType {
		return nil, notBool(text, t)
	}
	paths := pathsOf(checked.NativeRep().Expr())
	if len(paths) == 0 {
		return nil, errors.New("the expression names neither event nor data, so it is the same for every event: a member is written as data.error_code, without quotes")
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(meter{}), cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("preparing the expression: %w", err)
	}
	return &Condition{program: program, members: membersOf(paths)}, nil
}

// explain returns the first mistake that CEL has found, with its column.
func explain(issues *cel.Issues) error {
	first := issues.Errors()[0]
	what, _, _ := strings.Cut(first.Message, " (in container ")
	what = strings.TrimPrefix(what, "Syntax error: ")
	what, _, _ = strings.Cut(what, " expecting ")
	if strings.Contains(what, "'<EOF>'") {
		what = "the expression ends too early"
	}
	if strings.Contains(what, "“") || strings.Contains(what, "”") {
		what = "“ is no quote of an expression; write \""
	}
	for word, write := range map[string]string{"and": "&&", "or": "||", "AND": "&&", "OR": "||", "not": "! before what must be false", "NOT": "! before what must be false"} {
		if strings.HasSuffix(what, " input '"+word+"'") {
			what = fmt.Sprintf("'%s' is no word of an expression; write %s", word, write)
		}
	}
	if name, ok := strings.CutPrefix(what, "undeclared reference to "); ok {
		name = strings.Trim(name, "'")
		what = unknown(name)
	}
	if name, ok := strings.CutPrefix(what, "undefined field "); ok {
		name = strings.Trim(name, "'")
		what = fmt.Sprintf("event has no member '%s'; it has %s (what the platform says of the message is in data)", name, strings.Join(fieldNames, ", "))
		if near := nearest.Word(name, fieldNames); near != "" {
			what += fmt.Sprintf(", did you mean '%s'?", near)
		}
	}
	if strings.Contains(what, "token recognition error at: '= '") || strings.Contains(what, "token recognition error at: '=") {
		what = "'=' compares nothing; write =="
	}
	line := ""
	if n := first.Location.Line(); n > 1 {
		line = fmt.Sprintf("line %d, ", n)
	}
	return fmt.Errorf("%scolumn %d: %s", line, first.Location.Column()+1, what)
}

// spelled are words of expressions as they are written.
var spelled = []string{"true", "false", "null", "startsWith", "endsWith", "contains", "matches", "size", "has", "duration", "timestamp"}

// unknown returns what is said of a name that nothing has: it may be a slip of another
// name, a text without its quotes, or a member without data before it.
func unknown(name string) string {
	what := fmt.Sprintf("nothing is called '%s'; an expression knows event and data", name)
	for _, f := range spelled {
		if strings.EqualFold(name, f) {
			return what + fmt.Sprintf(", did you mean '%s'?", f)
		}
	}
	if near := nearest.Word(name, []string{eventName, dataName}); near != "" && 2*nearest.Distance(name, near) <= len(near) {
		return what + fmt.Sprintf(", did you mean '%s'?", near)
	}
	return what + fmt.Sprintf(": write \"%s\" if it is a text, data.%s if it is a member of the body's data", name, name)
}

func notBool(text string, t *cel.Type) error {
	is := t.String()
	for _, known := range []*cel.Type{cel.TimestampType, cel.DurationType} {
		if t == known {
			is = strings.ToLower(strings.TrimPrefix(is, "google.protobuf."))
		}
	}
	if t == cel.DynType {
		return fmt.Errorf("the expression may be anything and must be true or false: compare it, for example %s == true", strings.TrimSpace(text))
	}
	return fmt.Errorf("the expression is of type %s and must be true or false: compare it with something, for example data.error_code == \"expired\"", is)
}

// pathsOf lists where an expression asks event and data, sorted.
func pathsOf(e ast.Expr) []string {
	found := make(map[string]bool)
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if path := pathOf(e); path != "" {
			found[path] = true
		}
	}))
	return slices.Sorted(maps.Keys(found))
}

// membersOf leaves out of the paths those that lead to another one, and the two
// variables.
func membersOf(paths []string) (members []string) {
	for _, path := range paths {
		longer := func(other string) bool { return strings.HasPrefix(other, path+".") }
		if strings.Contains(path, ".") && !slices.ContainsFunc(paths, longer) {
			members = append(members, path)
		}
	}
	return members
}

// pathOf returns data.a.b of that expression or of data["a"].b, and "" of any other.
func pathOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); name == eventName || name == dataName {
			return name
		}
	case ast.SelectKind:
		if path := pathOf(e.AsSelect().Operand()); path != "" {
			return path + "." + e.AsSelect().FieldName()
		}
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index {
			return ""
		}
		if path, name := pathOf(call.Args()[0]), literal(call.Args()[1]); path != "" && name != "" {
			return path + "." + name
		}
	}
	return ""
}

func literal(e ast.Expr) string {
	if e.Kind() != ast.LiteralKind {
		return ""
	}
	s, _ := e.AsLiteral().(types.String)
	return string(s)
}

// UnclearError is why an expression is neither true nor false of an event. Its text has
// names out of the expression, and nothing of the event.
type UnclearError struct{ why string }

// Error implements error.
func (f UnclearError) Error() string { return f.why }

// Match reports whether the expression is true of the event. Where it is neither true
// nor false it does not match, and the error is an UnclearError.
func (c *Condition) Match(in *Input) (bool, error) {
	out, _, err := c.program.Eval(in)
	if err == nil {
		b, ok := out.(types.Bool)
		if !ok {
			return false, UnclearError{"the expression is not true or false"}
		}
		return bool(b), nil
	}
	return false, c.failure(err)
}

// failure says what went wrong in words of the expression alone: CEL's own text may
// quote the event.
func (c *Condition) failure(err error) UnclearError {
	text := err.Error()
	switch {
	case strings.Contains(text, "cost limit"):
		return UnclearError{"it takes too long for this event: ask for less"}
	case strings.Contains(text, errNoJSON.Error()):
		return UnclearError{errNoJSON.Error()}
	}
	if _, name, ok := strings.Cut(text, "no such key: "); ok {
		for _, path := range c.members {
			if names := strings.Split(path, "."); slices.Contains(names[1:], name) {
				upTo := slices.Index(names[1:], name) + 2
				return UnclearError{fmt.Sprintf("there is no %s: ask has(%[1]s) first", strings.Join(names[:upTo], "."))}
			}
		}
	}
	if strings.Contains(text, errNoTime.Error()) {
		return UnclearError{errNoTime.Error()}
	}
	if len(c.members) == 0 {
		return UnclearError{"a value has another type than the expression needs"}
	}
	return UnclearError{"a value is missing or has another type than the expression needs: look at " + strings.Join(c.members, ", ")}
}
