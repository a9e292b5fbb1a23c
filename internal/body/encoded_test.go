package body

import (
	"net/http"
	"testing"
)

func TestEncoded(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"gzip": true, " GZIP ": true, "x-gzip;q=1": true, "identity, br": true, "zstd": true,
		"": false, "identity": false, "UTF-8": false, "none": false, "gzipped": false,
	} {
		if got := Encoded(http.Header{"Content-Encoding": {value}}); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if !Encoded(http.Header{"Content-Encoding": {"identity", "deflate"}}) {
		t.Error("the second line does not count")
	}
	if Encoded(http.Header{}) {
		t.Error("no header is an encoding")
	}
}
