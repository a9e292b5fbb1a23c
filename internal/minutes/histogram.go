package minutes

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram has 8 buckets for each doubling of the time, up to 2 minutes, and 8 of 8
// microseconds below the first.
const (
	fine    = 8
	fineLog = 3
	lowLog  = 6  // below 2^lowLog microseconds all buckets are equal
	highLog = 26 // the last doubling begins at 2^highLog microseconds
	buckets = fine + (highLog-lowLog+1)*fine
)

// histogram counts times of one minute.
type histogram struct {
	minute atomic.Int64 // the number of its minute, and one; 0 for none
	n      [buckets]atomic.Uint32
}

// bucket returns the bucket of a time.
func bucket(took time.Duration) int {
	us := uint64(max(took, 0) / time.Microsecond)
	if us < 1<<lowLog {
		return int(us >> (lowLog - fineLog))
	}
	log := bits.Len64(us) - 1
	return min(fine+(log-lowLog)*fine+int(us>>(log-fineLog))&(fine-1), buckets-1)
}

// ceiling returns the first microsecond above a bucket.
func ceiling(bucket int) uint32 {
	if bucket < fine {
		return uint32(bucket+1) << (lowLog - fineLog)
	}
	log := lowLog + (bucket-fine)/fine
	return uint32(fine+(bucket-fine)%fine+1) << (log - fineLog)
}

func (h *histogram) add(took time.Duration) { h.n[bucket(took)].Add(1) }

func (h *histogram) clear() {
	for i := range h.n {
		h.n[i].Store(0)
	}
}

// percentile returns the time in microseconds within which so many of a hundred were, 0
// where there is none.
func (h *histogram) percentile(of int) uint32 {
	var n [buckets]uint64
	total := uint64(0)
	for i := range h.n {
		n[i] = uint64(h.n[i].Load())
		total += n[i]
	}
	if total == 0 {
		return 0
	}
	need := (total*uint64(of) + 99) / 100
	for i, k := range n {
		if k >= need {
			return ceiling(i)
		}
		need -= k
	}
	return ceiling(buckets - 1)
}
