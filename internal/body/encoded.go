package body

import (
	"net/http"
	"slices"
	"strings"
)

// codings are those of IANA's registry, and names that they go by.
var codings = []string{
	"gzip", "x-gzip", "deflate", "x-deflate", "br", "brotli", "zstd", "compress", "x-compress", "dcb", "dcz",
	"aes128gcm", "exi", "pack200-gzip", "bzip2", "x-bzip2", "lzma", "xz", "snappy", "lz4",
}

// Encoded reports whether the bytes of a request with that header may be other than the body. Values that name no
// coding at all ("UTF-8", "identity", "none") are a sender's mistake, and the
// signature holds over what came.
func Encoded(h http.Header) bool {
	for _, line := range h["Content-Encoding"] {
		for v := range strings.SplitSeq(line, ",") {
			v, _, _ = strings.Cut(v, ";")
			if slices.Contains(codings, strings.ToLower(strings.TrimSpace(v))) {
				return true
			}
		}
	}
	return false
}
