package condition

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// meter says what a call costs: one, and one for each hundred bytes of text and each
// member of a list or object that it has to look at. A regular expression looks at
// the text once for each two of its characters. CEL's own estimate needs types
// that are known beforehand, and those of data are not: a text doubled twenty times
// would cost twenty.
type meter struct{}

// CallCost implements interpreter.ActualCostEstimator.
func (meter) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	cost := uint64(1)
	switch function {
	case operators.Equals, operators.NotEquals, operators.In, operators.Add, operators.OldIn:
		for _, v := range args {
			cost += deep(v, maxCost)
		}
	case overloads.Matches:
		for _, v := range args { // In the order of text and pattern.
			s, _ := v.(types.String)
			cost *= 1 + uint64(len(s))
		}
		cost /= 200
	default:
		for _, v := range args {
			cost += text(v)
		}
	}
	cost += text(result)
	return &cost
}

func text(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v) / 100)
	case types.Bytes:
		return uint64(len(v) / 100)
	}
	return 0
}

// deep returns what it costs to look at all of v, and stops to count at most.
func deep(v ref.Val, most uint64) (cost uint64) {
	var each traits.Iterator
	var member func(ref.Val) ref.Val
	switch v := v.(type) {
	case traits.Mapper:
		each, member = v.Iterator(), v.Get
	case traits.Lister:
		each, member = v.Iterator(), func(one ref.Val) ref.Val { return one }
	default:
		return text(v)
	}
	for each.HasNext() == types.True && cost < most {
		one := each.Next()
		cost += 1 + text(one) + deep(member(one), most-cost)
	}
	return cost
}
