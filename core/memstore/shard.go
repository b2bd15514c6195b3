package memstore

import (
	"encoding/binary"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
)

// shards is how many parts the records are spread over: one for each value of
// their key's first byte.
const shards = 256

// shard is one part of the records, with its own lock.
type shard struct {
	mu sync.Mutex // protects what follows, and every record that is in it

	// recs finds the records by eight bytes of their keys, which takes a
	// third of the memory that whole keys would. A key is a hash already, so
	// two records hardly ever agree in those; the second goes into more.
	recs map[uint64]*record
	more map[session.StoreKey]*record

	// aside has the dead records that are still to be reported and whose
	// keys are in use again.
	aside map[session.StoreKey][]*record

	queues   map[queueID]*queue
	watchers map[session.StoreKey][]chan struct{}

	spare *hold // what the last release left, for the next acquire

	_ [8]byte // shards share no cache line
}

func prefix(key session.StoreKey) uint64 { return binary.LittleEndian.Uint64(key[8:]) }

// get returns the record of key, live or not, or nil.
func (s *shard) get(key session.StoreKey) *record {
	if r := s.recs[prefix(key)]; r != nil && r.key == key {
		return r
	}
	return s.more[key]
}

// put adds r; its key must be free.
func (s *shard) put(r *record) {
	if p := prefix(r.key); s.recs[p] == nil {
		s.recs[p] = r
		return
	}
	if s.more == nil {
		s.more = make(map[session.StoreKey]*record)
	}
	s.more[r.key] = r
}

// del is put's opposite.
func (s *shard) del(r *record) {
	if p := prefix(r.key); s.recs[p] == r {
		delete(s.recs, p)
		return
	}
	delete(s.more, r.key)
}

// take locks r under token, or claims it, in place of who held it.
func (s *shard) take(r *record, token session.Token, now, until instant) {
	if r.lock == nil {
		r.lock, s.spare = s.spare, nil
		if r.lock == nil {
			r.lock = new(hold)
		}
	}
	*r.lock = hold{token, now, until}
}

// free gives up r's lock or claim.
func (s *shard) free(r *record) {
	if r.lock != nil {
		r.lock, s.spare = nil, r.lock
	}
}
