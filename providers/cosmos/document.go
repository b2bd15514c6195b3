package cosmosstore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// All names of a document's fields are lower-case, and everything that a
// condition compares is a number or lower-case hexadecimal: a condition cannot
// be parameterized, and nothing that needs quoting may get into one.

// document is a record as the container has it, or what is left of one.
type document struct {
	ID      string   `json:"id"` // the key, in hexadecimal
	TTL     int64    `json:"ttl"`
	Version int      `json:"v"`
	State   string   `json:"state"`
	NS      string   `json:"ns"`
	Created int64    `json:"created"` // times are milliseconds since 1970, by the store's clock
	Body    body     `json:"body"`
	Life    life     `json:"life"`
	Lock    lock     `json:"lock"`
	Writes  []string `json:"writes"`           // the last writes, newest first; always of length remembered
	Written int64    `json:"written"`          // how many writes there were since Create
	Report  int64    `json:"report,omitempty"` // indexed: when Reap should look at a record with Events; never too late
	Ending  *ending  `json:"ending,omitempty"`
	Move    *move    `json:"move,omitempty"`

	ETag string `json:"_etag,omitempty"`
}

// version is what every document of this provider says of its own form.
const version = 1

// remembered is how many writes of a record are known by name. S6 asks for 8;
// the others are for repeats that come late under contention.
const remembered = 16

// The states of a document.
const (
	stateLive    = "live"    // a session, which may have expired
	stateEnded   = "ended"   // a session whose end is to be reported: removed, or claimed by Reap
	stateGone    = "gone"    // removed; the database deletes it within minutes
	stateMoved   = "moved"   // a tombstone: the session lives under another key
	statePending = "pending" // a session that is about to move here, or has moved and not yet settled
)

// body is what a write replaces as a whole.
type body struct {
	Data     []byte `json:"data"` // base64 in the document
	Size     int    `json:"size"` // of Data, for listings
	Write    string `json:"write"`
	Owner    string `json:"owner,omitempty"` // indexed; absent, it costs nothing
	Events   bool   `json:"events"`
	Idle     string `json:"idle"` // durations in nanoseconds: a JSON number could not hold all of them
	Refresh  string `json:"refresh"`
	Lifetime string `json:"lifetime"`
}

// life is a record's expiry. An operation that knows nothing of the record sets
// seen alone; the expiry then follows by expires. An operation that has read
// the record sets the rest anew.
type life struct {
	Exp      int64 `json:"expiry"`
	Due      int64 `json:"due"`      // a use after this extends the expiry; never, if none does
	Seen     int64 `json:"seen"`     // the last use
	Slide    int64 `json:"slide"`    // by how much a use extends it
	Refresh  int64 `json:"refresh"`  // after which a use is due again
	Deadline int64 `json:"deadline"` // the end of the Lifetime, or never
}

// never is later than every time, and exact as a JSON number.
const never int64 = 1 << 52

// lock is a lock, or the claim of a record that has ended. Token is empty if
// there is none. Its end does not clear it: a lapsed token holds until somebody
// else takes the record (S5).
type lock struct {
	Token string `json:"token"`
	At    int64  `json:"since"` // when the lock was taken, or given up
	Until int64  `json:"until"`
}

// freed is the lock of a record that was given up now. The time tells an Acquire
// that was sent before, and arrives after, that it comes too late.
func freed(now int64) lock { return lock{At: now} }

// ending is about a record that has ended.
type ending struct {
	Reason   session.EndReason `json:"reason"`
	Attempts int               `json:"attempts"`
	Reaped   bool              `json:"reaped"` // the claim in Lock is Reap's, not Remove's
}

// move is about a record that moves, in both documents (S11).
type move struct {
	From  string `json:"from,omitempty"` // of a pending document: the key it comes from
	To    string `json:"to,omitempty"`   // of a tombstone: the key it has gone to
	Grace int64  `json:"grace,omitempty"`
}

var errForeign = errors.New("the container holds a document of this key that another program wrote")

// parse reads a document.
func parse(data []byte) (*document, error) {
	d := new(document)
	if err := json.Unmarshal(data, d); err != nil || d.Version != version || len(d.Writes) != remembered {
		return nil, errForeign // and not err, which may quote the document
	}
	if d.State == stateEnded && d.Ending == nil || (d.State == stateMoved || d.State == statePending) && d.Move == nil {
		return nil, errForeign
	}
	return d, nil
}

// encode returns the document as JSON, with the partition key's property if
// that is not the id.
func (d *document) encode(property, partition string) ([]byte, error) {
	d.ETag = ""
	data, err := json.Marshal(d)
	if err != nil || property == "" {
		return data, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, s := range []string{property, partition} {
		q, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		b.Write(q)
		b.WriteByte(":,"[i])
	}
	b.Write(data[1:])
	return b.Bytes(), nil
}

// newDocument returns the document of a record that is created now.
func newDocument(key session.StoreKey, rec session.Record, l lock, now int64) *document {
	d := &document{
		ID:      hexKey(key),
		Version: version,
		State:   stateLive,
		NS:      rec.Namespace,
		Created: now,
		Life:    newLife(rec, now, now),
		Lock:    l,
		Writes:  make([]string, remembered),
		Written: 1,
	}
	d.Writes[0] = hexWrite(rec.Write)
	d.Body = newBody(rec)
	if rec.Events {
		d.Report = d.Life.expires()
	}
	d.TTL = ttlOf(rec, duration(l.Until-now))
	return d
}

func newBody(rec session.Record) body {
	b := body{
		Data:     rec.Data,
		Size:     len(rec.Data),
		Write:    hexWrite(rec.Write),
		Owner:    rec.Owner,
		Events:   rec.Events,
		Idle:     nanos(rec.IdleTimeout),
		Refresh:  nanos(rec.Refresh),
		Lifetime: nanos(rec.Lifetime),
	}
	if b.Data == nil {
		b.Data = []byte{} // which is "", where nil would be null
	}
	return b
}

// newLife returns the life of a record that was created then and is used now.
func newLife(rec session.Record, created, now int64) life {
	l := life{Exp: never, Due: never, Deadline: never, Refresh: millis(rec.Refresh)}
	if rec.Lifetime > 0 {
		l.Deadline = min(created+millis(rec.Lifetime), never)
	}
	if rec.IdleTimeout > 0 {
		l.Slide = min(millis(rec.IdleTimeout)+l.Refresh, never)
		l.Exp = min(now+l.Slide, never)
	}
	l.Exp = min(l.Exp, l.Deadline)
	if rec.IdleTimeout > 0 && l.Exp < l.Deadline {
		l.Due = l.Exp - millis(rec.IdleTimeout)
	}
	return l
}

// expires returns the expiry. live in condition.go says the same in the
// database's language.
func (l life) expires() int64 {
	if l.Seen > l.Due {
		return min(l.Seen+l.Slide, l.Deadline)
	}
	return l.Exp
}

// use returns the life of a record that is used now by one who has read it:
// extended if due, exactly, and with nothing left to be worked out.
func (l life) use(now int64) life {
	idle := l.Slide - l.Refresh
	l.Exp, l.Seen, l.Due = l.expires(), 0, never
	if idle <= 0 {
		return l
	}
	if l.Exp-now < idle {
		l.Exp = max(l.Exp, min(now+l.Slide, l.Deadline))
	}
	if l.Exp < l.Deadline {
		l.Due = l.Exp - idle
	}
	return l
}

// live says whether operations see d as a session (S1). A live lease keeps a
// record from expiring.
func (d *document) live(now int64) bool {
	return d.State == stateLive && max(d.Life.expires(), d.Lock.Until) > now
}

// renewed says whether d is a tombstone within its Grace (S11).
func (d *document) renewed(now int64) bool { return d.State == stateMoved && d.Move.Grace > now }

// missing returns the error of those who ask for a session where none is.
func (d *document) missing(now int64) error {
	switch {
	case d.live(now):
		return nil
	case d.renewed(now):
		return session.ErrRenewed
	}
	return session.ErrNotFound
}

// holds says whether token holds d, lapsed or not.
func (d *document) holds(token session.Token) bool {
	return token != session.Token{} && d.Lock.Token == hexToken(token)
}

// holding says whether token holds a live record, or the claim of one that has
// ended. isHolding in condition.go says the same.
func (d *document) holding(token session.Token, now int64) bool {
	return d.holds(token) && (d.State == stateEnded || d.live(now))
}

// locked says whether a live lock is held.
func (d *document) locked(now int64) bool { return d.Lock.Token != "" && d.Lock.Until > now }

// due says whether a use extends the expiry.
func (l life) due(now int64) bool {
	if l.Seen > l.Due {
		return l.Seen+l.Refresh < now && l.Seen+l.Slide < l.Deadline
	}
	return l.Due < now
}

// claimable is when Reap may claim d, unless something happens to it before.
func (d *document) claimable() int64 {
	if d.State == stateEnded {
		return d.Lock.Until
	}
	return max(d.Life.expires(), d.Lock.Until)
}

// reportable says whether d has ended, or expired, and is to be reported.
func (d *document) reportable(now int64) bool {
	return d.Body.Events && (d.State == stateEnded || d.State == stateLive && !d.live(now))
}

// knows says whether w is among the writes that are remembered.
func (d *document) knows(w session.WriteID) bool { return slices.Contains(d.Writes, hexWrite(w)) }

// knowsAll says whether all writes since Create are remembered.
func (d *document) knowsAll() bool { return d.Written <= remembered }

// note remembers the write w as the last one.
func (d *document) note(w session.WriteID) {
	d.Writes = slices.Insert(d.Writes[:len(d.Writes)-1:len(d.Writes)-1], 0, hexWrite(w))
	d.Written++
}

// lockInfo describes the live lock of d.
func (d *document) lockInfo(now int64) session.LockInfo {
	var token session.Token
	_, _ = hex.Decode(token[:], []byte(d.Lock.Token)) // what is no token has a name of its own too
	return session.LockInfo{
		Holder: token.Holder(),
		Age:    max(0, duration(now-d.Lock.At)), // another process may have taken it by a clock that is ahead
		Left:   duration(d.Lock.Until - now),
	}
}

// record returns d as callers see it.
func (d *document) record(now int64) session.Record {
	rec := d.stored()
	rec.ExpiresIn = d.expiresIn(now)
	return rec
}

// stored returns d without what depends on the moment.
func (d *document) stored() session.Record {
	return session.Record{
		Data:        d.Body.Data,
		Namespace:   d.NS,
		Owner:       d.Body.Owner,
		Events:      d.Body.Events,
		IdleTimeout: fromNanos(d.Body.Idle),
		Refresh:     fromNanos(d.Body.Refresh),
		Lifetime:    fromNanos(d.Body.Lifetime),
		Write:       d.write(),
		Created:     time.UnixMilli(d.Created),
	}
}

func (d *document) write() (w session.WriteID) {
	_, _ = hex.Decode(w[:], []byte(d.Body.Write))
	return w
}

// expiresIn is what callers are told of the expiry: under a lease that outlives
// it, what is left of the lease.
func (d *document) expiresIn(now int64) time.Duration {
	exp := d.Life.expires()
	switch {
	case exp == never:
		return 0
	case exp > now:
		return duration(exp - now)
	}
	return duration(max(1, d.Lock.Until-now))
}

// info returns what listings tell of d.
func (d *document) info(now int64) (session.Info, bool) {
	info := session.Info{
		Owner:     d.Body.Owner,
		Created:   time.UnixMilli(d.Created),
		ExpiresIn: d.expiresIn(now),
		Locked:    d.locked(now),
		Size:      d.Body.Size,
	}
	n, err := hex.Decode(info.Key[:], []byte(d.ID))
	return info, err == nil && n == len(info.Key)
}

// The database deletes a document when it has not been written for its ttl.
// That is garbage collection: conditions and readers go by the times in the
// document, and the ttl is never shorter than those. It is longer by
// lingering, which bounds the leases that need no care, and where an end is to
// be reported by reporting.
const (
	lingering = 15 * time.Minute
	reporting = 7 * 24 * time.Hour
)

// ttlOf returns the ttl, in seconds, of a record that may be locked for lease.
func ttlOf(rec session.Record, lease time.Duration) int64 {
	longest := rec.Lifetime
	if rec.IdleTimeout > 0 {
		if slide := plus(rec.IdleTimeout, max(rec.Refresh, 0)); longest <= 0 || slide < longest {
			longest = slide
		}
	}
	if longest <= 0 {
		return -1 // never
	}
	longest = max(longest, lease)
	if rec.Events {
		longest = plus(longest, reporting)
	}
	return seconds(plus(longest, lingering))
}

// seconds rounds up, to no more than a ttl can be.
func seconds(d time.Duration) int64 { return min(int64(d/time.Second)+1, 1<<31-1) }

// plus adds what is not negative, and gets no further than a Duration can.
func plus(d, e time.Duration) time.Duration {
	if sum := d + e; sum >= 0 {
		return sum
	}
	return 1<<63 - 1
}

// millis rounds up, so that what is not nothing lasts.
func millis(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

func duration(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond
}

func nanos(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }

func fromNanos(s string) time.Duration {
	n, _ := strconv.ParseInt(s, 10, 64) // 0 for what is none
	return time.Duration(n)
}

func hexKey(key session.StoreKey) string    { return hex.EncodeToString(key[:]) }
func hexToken(token session.Token) string   { return hex.EncodeToString(token[:]) }
func hexWrite(write session.WriteID) string { return hex.EncodeToString(write[:]) }
