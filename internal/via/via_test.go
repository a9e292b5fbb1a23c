package via_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/via"
)

func TestALoopIsFoundOverOthers(t *testing.T) {
	t.Parallel()
	own := via.Mark("store", "inbox")
	h := make(http.Header)
	via.Add(h, own)
	for n := range via.MaxMarks - 1 {
		if !via.CameBack(h[via.Header], own) {
			t.Fatalf("the mark is lost behind %d others", n)
		}
		via.Add(h, via.Mark("another", strings.Repeat("x", n)))
	}
	if !via.CameBack(h[via.Header], own) || via.CameBack(h[via.Header], via.Mark("store", "other")) {
		t.Errorf("of %v, only the source's own mark is to be found", h)
	}
	via.Add(h, via.Mark("another", "one too many"))
	if via.CameBack(h[via.Header], own) {
		t.Errorf("more than %d marks are kept: %v", via.MaxMarks, h)
	}
}

func TestStoresWithoutAnIdentityMarkNothing(t *testing.T) {
	t.Parallel()
	h := make(http.Header)
	via.Add(h, via.Mark("", "inbox"))
	if len(h) != 0 || via.CameBack([]string{"0123456789abcdef"}, "") {
		t.Errorf("an empty mark marks: %v", h)
	}
}

func TestForgedValuesAreNotKept(t *testing.T) {
	t.Parallel()
	mark := via.Mark("store", "inbox")
	got := via.Kept([]string{"1.1 proxy, " + mark + " ,deadbeef", "<script>", strings.ToUpper(mark)})
	if !slices.Equal(got, []string{mark + ", " + strings.ToUpper(mark)}) {
		t.Errorf("kept are %q", got)
	}
	if got := via.Kept([]string{"", "x"}); got != nil {
		t.Errorf("of nothing well-formed, %q is kept", got)
	}
}
