package cosmosstore

import (
	"strconv"
	"strings"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// A condition decides, at the database and together with the patch that it
// guards, whether an operation takes effect. A document that is none of this
// provider's meets none of them: what is missing makes a comparison undefined.

// condition joins parts that must all hold.
func condition(parts ...string) string { return "from c where " + strings.Join(parts, " and ") }

func number(n int64) string { return strconv.FormatInt(n, 10) }

// Conditions are written with as few parentheses as can be, "and" binding more
// tightly than "or": a server that the tests run on reads nested ones slowly.

// isLive is document.live.
func isLive(now int64) string {
	return "c.state = 'live' and (" + strings.Join(livesBy(now), " or ") + ")"
}

// livesBy returns what each is enough for a document in stateLive to be live:
// the expiry as it was written, a lease, or a use since.
func livesBy(now int64) []string {
	n := number(now)
	return []string{
		"c.life.expiry > " + n,
		"c.lock.until > " + n,
		"c.life.seen > c.life.due and c.life.seen + c.life.slide > " + n + " and c.life.deadline > " + n,
	}
}

// hasExpired says that a document in stateLive is not live.
func hasExpired(now int64) string {
	n := number(now)
	return "c.life.expiry <= " + n + " and c.lock.until <= " + n +
		" and (c.life.seen <= c.life.due or c.life.seen + c.life.slide <= " + n + " or c.life.deadline <= " + n + ")"
}

// isDue says that a use extends the expiry.
func isDue(now int64) string {
	n := number(now)
	return "(c.life.seen <= c.life.due and c.life.due < " + n + " or c.life.seen > c.life.due" +
		" and c.life.seen + c.life.refresh < " + n + " and c.life.seen + c.life.slide < c.life.deadline)"
}

// isFree says that nobody holds a live lock.
func isFree(now int64) string { return "c.lock.until <= " + number(now) }

// skew is more than the clocks of processes differ; see clock.
const skew = int64(time.Second / time.Millisecond)

// isUnchangedSince says that the lock has not changed hands since now. A request
// that is kept back on its way and arrives when another has had the record must
// not lock it: the token it gives was told to be lost, or was given up (S5).
func isUnchangedSince(now int64) string { return "c.lock.since <= " + number(now+skew) }

// isLockedAs says that the lock is the one that was read in d.
func isLockedAs(d *document) string { return "c.lock.since = " + number(d.Lock.At) }

// endsAsRead says that the lease ends when it did as d was read.
func endsAsRead(d *document) string { return "c.lock.until = " + number(d.Lock.Until) }

// isHeldBy says that token holds the document, lapsed or not. It must not be
// asked of the zero Token, which a free document would seem to be held by.
func isHeldBy(token session.Token) string { return "c.lock.token = '" + hexToken(token) + "'" }

// isUnknown says that the write is not among those that are remembered.
func isUnknown(w session.WriteID) string {
	return "not array_contains(c.writes, '" + hexWrite(w) + "')"
}

// hasPolicy says that a write of rec leaves alone what an operation must have
// read to change it: the times that govern the expiry, and Events.
func hasPolicy(rec session.Record) string {
	return "c.body.idle = '" + nanos(rec.IdleTimeout) + "' and c.body.refresh = '" + nanos(rec.Refresh) +
		"' and c.body.lifetime = '" + nanos(rec.Lifetime) + "' and " + hasEvents(rec.Events)
}

// isWrittenAs says that nothing was written since d was read.
func isWrittenAs(d *document) string { return "c.written = " + number(d.Written) }

// isAsRead says besides that the lock was not taken anew.
func isAsRead(d *document) string {
	return isWrittenAs(d) + " and " + isLockedAs(d)
}

// staysFor says that the database will not delete the document before a lease
// of that many seconds ends.
func staysFor(seconds int64) string { return "(c.ttl < 0 or c.ttl >= " + number(seconds) + ")" }

func hasEvents(events bool) string { return "c.body.events = " + strconv.FormatBool(events) }

// isPending says that the write w is about to bring a record here (S11).
func isPending(w session.WriteID) string {
	return "c.state = 'pending' and c.body.write = '" + hexWrite(w) + "'"
}

// isMovedTo says of a tombstone that it is the one of a move to the document of
// id, which is hexadecimal.
func isMovedTo(id string) string { return "c.state = 'moved' and c.move.to = '" + id + "'" }

// isHolding says that token holds a live record, or the claim of one that has
// ended.
func isHolding(token session.Token, now int64) string {
	const or = " or c.state = 'live' and "
	return isHeldBy(token) + " and (c.state = 'ended'" + or + strings.Join(livesBy(now), or) + ")"
}
