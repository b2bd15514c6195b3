package memstore

// Every record that may fall due is filed in a queue of its shard, a min-heap
// by time. A record in use falls due later and later; its entry stays where it
// is until its old time comes, and only then is filed anew. So using a session
// costs nothing here, and Reap costs in proportion to what is, or might be,
// due.
//
// There is a queue for each namespace and each value of Events, because that
// is what a Reap asks for: what others have to collect is not in its way.

// queueID names a queue of a shard.
type queueID struct {
	namespace string
	events    bool
}

// entry files r at a time that is never later than r.due().
type entry struct {
	at instant
	r  *record
}

// queue is a binary min-heap; record.pos is the way back.
type queue struct {
	entries []entry
}

func (q *queue) push(e entry) {
	q.entries = append(q.entries, e)
	q.up(len(q.entries)-1, e)
}

// remove takes out the entry at i.
func (q *queue) remove(i int) {
	q.entries[i].r.pos = -1
	n := len(q.entries) - 1
	last := q.entries[n]
	q.entries[n] = entry{}
	q.entries = q.entries[:n]
	if i < n {
		q.place(i, last)
	}
}

// place puts e into the heap in stead of the entry at i.
func (q *queue) place(i int, e entry) {
	if i > 0 && q.entries[(i-1)/2].at > e.at {
		q.up(i, e)
		return
	}
	for {
		c := 2*i + 1
		if c >= len(q.entries) {
			break
		}
		if c+1 < len(q.entries) && q.entries[c+1].at < q.entries[c].at {
			c++
		}
		if q.entries[c].at >= e.at {
			break
		}
		q.set(i, q.entries[c])
		i = c
	}
	q.set(i, e)
}

func (q *queue) up(i int, e entry) {
	for i > 0 {
		p := (i - 1) / 2
		if q.entries[p].at <= e.at {
			break
		}
		q.set(i, q.entries[p])
		i = p
	}
	q.set(i, e)
}

func (q *queue) set(i int, e entry) {
	q.entries[i] = e
	e.r.pos = int32(i)
}

func (r *record) queueID() queueID {
	return queueID{r.policy.Value().namespace, r.events}
}

// file sees to it that r is in its queue, at the time at which it is due or
// before. Call it for a new record, and otherwise refile.
func (s *shard) file(r *record) {
	at := r.due()
	if at == never {
		return // an entry that it may have goes when its time comes
	}
	id := r.queueID()
	q := s.queues[id]
	if q == nil {
		if s.queues == nil {
			s.queues = make(map[queueID]*queue)
		}
		q = new(queue)
		s.queues[id] = q
	}
	switch e := (entry{at, r}); {
	case r.pos < 0:
		q.push(e)
	case at < q.entries[r.pos].at:
		q.place(int(r.pos), e)
	}
}

// refile files r after a change, if need be; before is when it was due before
// the change. The usual change moves that only into the future, and the queue
// is not even looked at.
func (s *shard) refile(r *record, before instant) {
	if r.pos < 0 || r.due() < before {
		s.file(r)
	}
}

// unfile takes r out of its queue. Call it before r changes queues.
func (s *shard) unfile(r *record) {
	if r.pos < 0 {
		return
	}
	id := r.queueID()
	q := s.queues[id]
	q.remove(int(r.pos))
	if len(q.entries) == 0 {
		delete(s.queues, id)
	}
}

// batch is how many entries of a queue are looked at before the shard's lock
// is given to others: mostly some tens of microseconds, seldom a few hundred.
const batch = 64

// collect calls take, under the shard's lock, for records of a queue that are
// due by cutoff, until it returns false or a batch is done. take must remove
// the record or make it due after cutoff. It reports whether there may be
// more.
func (s *shard) collect(id queueID, cutoff instant, take func(*record) bool) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[id]
	if q == nil {
		return false
	}
	for range batch {
		if len(q.entries) == 0 || q.entries[0].at > cutoff {
			return false
		}
		r := q.entries[0].r
		switch at := r.due(); {
		case at == never:
			s.unfile(r)
		case at > cutoff: // it was used since it was filed
			q.place(0, entry{at, r})
		default:
			if !take(r) {
				return false
			}
		}
	}
	return true
}
