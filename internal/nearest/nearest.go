// Package nearest finds the word that a mistyped one was meant to be, for
// messages that end in "did you mean …?".
//
// Limits: it compares bytes, so a letter outside ASCII counts as several. The
// cost is the product of both lengths, which is right for names and wrong for
// texts.
package nearest

// most is the greatest distance at which a word is still taken for a slip of
// another one.
const most = 3

// Word returns the word of words that is closest to s, at a Distance of at most
// 3, or "" if there is none.
func Word(s string, words []string) string {
	best, at := "", most+1
	for _, w := range words {
		if d := Distance(s, w); d < at {
			best, at = w, d
		}
	}
	return best
}

// Distance returns how many letters have to be added, dropped, changed or swapped
// with the next one to turn a into b.
func Distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
