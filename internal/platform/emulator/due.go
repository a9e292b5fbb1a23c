package emulator

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// dueQueue holds the deliveries that wait for their next attempt, as a heap.
type dueQueue []*delivery

func (q dueQueue) Len() int { return len(q) }

func (q dueQueue) Less(i, j int) bool {
	return cmp.Or(q[i].due.Compare(q[j].due), cmp.Compare(q[i].serial, q[j].serial)) < 0
}

func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *dueQueue) Push(d any) { *q = append(*q, d.(*delivery)) }

// Pop implements heap.Interface: it removes the last one.
func (q *dueQueue) Pop() any {
	old := *q
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return d
}

// drop removes what waits for a webhook.
func (q *dueQueue) drop(webhook string) {
	*q = slices.DeleteFunc(*q, func(d *delivery) bool { return d.webhook == webhook })
	heap.Init(q)
}

// releaseDue queues the deliveries that have become due. The caller holds mu.
func (e *Emulator) releaseDue() {
	now := e.now()
	for len(e.due) > 0 && !e.due[0].due.After(now) {
		d := heap.Pop(&e.due).(*delivery)
		h := e.find(d.webhook)
		if h == nil || d.status != Waiting {
			continue
		}
		h.ready = append(h.ready, turn{d: d})
		e.pump(h)
	}
}

// wakeUp has keepTime look at the earliest due time again.
func (e *Emulator) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// keepTime queues deliveries when they become due, until Close.
func (e *Emulator) keepTime() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		e.mu.Lock()
		e.releaseDue()
		next := time.Hour
		if len(e.due) > 0 {
			next = e.due[0].due.Sub(e.now())
		}
		e.mu.Unlock()
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-e.wake:
		case <-e.life.Done():
			return
		}
	}
}
