package deliver

// fifo is a queue of jobs that counts their bytes. Its array is used again, so
// that a steady flow allocates nothing.
type fifo struct {
	ring  []*job
	first int
	n     int
	bytes int
}

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

func (f *fifo) front() *job {
	if f.n == 0 {
		return nil
	}
	return f.ring[f.first]
}

func (f *fifo) pop() *job {
	j := f.front()
	if j == nil {
		return nil
	}
	f.ring[f.first] = nil
	f.first = (f.first + 1) % len(f.ring)
	f.n--
	f.bytes -= j.size()
	return j
}
