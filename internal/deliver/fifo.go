package deliver

// fifo is a queue of jobs that counts their bytes. Its array is used again, so
// that a steady flow allocates nothing.
type fifo struct {
	// ring has n jobs from index first on, round its end.
	ring     []*job
	first, n int
	// bytes is the sum of the jobs' sizes.
	bytes int
}

// push adds j at the end.
func (f *fifo) push(j *job) {
	if f.n == len(f.ring) {
		ring := make([]*job, max(16, 2*f.n))
		for i := range f.n {
			ring[i] = f.ring[(f.first+i)%len(f.ring)]
		}
		f.ring, f.first = ring, 0
	}
	f.ring[(f.first+f.n)%len(f.ring)] = j
	f.n++
	f.bytes += j.size()
}

// front returns the oldest job, nil if there is none.
func (f *fifo) front() *job {
	if f.n == 0 {
		return nil
	}
	return f.ring[f.first]
}

// pop takes the oldest job out and returns it, nil if there is none.
func (f *fifo) pop() *job {
	j := f.front()
	if j == nil {
		return nil
	}
	f.ring[f.first] = nil // The array lives on: the job must not.
	f.first = (f.first + 1) % len(f.ring)
	f.n--
	f.bytes -= j.size()
	return j
}
