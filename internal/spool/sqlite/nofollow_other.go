//go:build !unix

package sqlite

// noFollow has no meaning here.
const noFollow = 0
