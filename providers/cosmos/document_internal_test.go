package cosmosstore

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func timed(idle, refresh, lifetime time.Duration) session.Record {
	return session.Record{IdleTimeout: idle, Refresh: refresh, Lifetime: lifetime, Write: session.NewWriteID()}
}

// TestLife_KeepsM14: however a record is used, by those who have read it and by
// those who have not, it lives for IdleTimeout at least, for IdleTimeout and
// Refresh at most, and never beyond its Lifetime.
func TestLife_KeepsM14(t *testing.T) {
	for range 2000 {
		rng := func(most int64) int64 { return rand.Int64N(most) + 1 }
		idle, refresh := rng(1000), rng(300)-1
		rec := timed(ms(idle), ms(refresh), ms(rng(5000)))
		created := int64(1_000_000)
		now := created
		l := newLife(rec, created, now)
		for range 30 {
			deadline := created + rec.Lifetime.Milliseconds()
			exp := l.expires()
			if exp < min(now+idle, deadline) || exp > min(now+idle+refresh, deadline) {
				t.Fatalf("%v after a use at %d: it expires at %d", rec, now, exp)
			}
			now += rng(idle)
			if now >= exp {
				break
			}
			if due := l.due(now); due != (exp-now < idle && exp < deadline) {
				t.Fatalf("%+v at %d: due is %v", l, now, due)
			}
			if rand.IntN(2) == 0 {
				l.Seen = now // as a patch that knows nothing does
			} else if l = l.use(now); l.expires() < exp {
				t.Fatalf("a use at %d shortens the expiry from %d to %d", now, exp, l.expires())
			}
		}
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func TestLife_Extremes(t *testing.T) {
	const now = 1_800_000_000_000
	for _, c := range []struct {
		what string
		rec  session.Record
		want int64
		ttl  int64
	}{
		{"never", timed(0, 0, 0), never, -1},
		{"for ever idle", timed(math.MaxInt64, math.MaxInt64, 0), never, math.MaxInt32},
		{"no sliding", timed(0, time.Hour, time.Minute), now + 60_000, 60 + 901},
		{"a nanosecond", timed(1, 0, 0), now + 1, 901},
		{"both", timed(time.Hour, time.Minute, 30*time.Minute), now + 1_800_000, 1800 + 901},
	} {
		l := newLife(c.rec, now, now)
		if got := l.expires(); got != c.want && (c.want != never || got < now+math.MaxInt64/2_000_000) {
			t.Errorf("%s: it expires at %d, want %d", c.what, got, c.want)
		}
		if got := ttlOf(c.rec, 0); got != c.ttl {
			t.Errorf("%s: the ttl is %d, want %d", c.what, got, c.ttl)
		}
	}
	if got, want := ttlOf(timed(time.Minute, 0, 0), time.Hour), int64(3600+901); got != want {
		t.Errorf("under a lease of an hour the ttl is %d, want %d", got, want)
	}
}

// TestTTL_OfAnEndlessLease: a lease that is as long as can be does not make the
// ttl shorter.
func TestTTL_OfAnEndlessLease(t *testing.T) {
	const now = 1_800_000_000_000
	l := lock{hexToken(session.NewToken()), now, now + millis(math.MaxInt64)}
	if got := newDocument(session.StoreKey{}, timed(time.Hour, 0, 0), l, now).TTL; got != math.MaxInt32 {
		t.Errorf("the ttl is %d, want %d", got, math.MaxInt32)
	}
}

// TestConditions_NeedNoQuoting: nothing that a condition is made of could end
// the JSON string or the literal that it stands in.
func TestConditions_NeedNoQuoting(t *testing.T) {
	rec := timed(-1, math.MinInt64, math.MaxInt64)
	d := newDocument(session.StoreKey{}, rec, lock{}, math.MaxInt64)
	token := session.NewToken()
	all := condition(isLive(-1), hasExpired(math.MinInt64), isDue(0), isFree(1), isHeldBy(token), isUnknown(rec.Write), hasPolicy(rec),
		isAsRead(d), staysFor(5), isPending(rec.Write), isHolding(token, 7), hasEvents(true))
	if strings.ContainsAny(all, "\"\\\n") || strings.Count(all, "'")%2 != 0 || strings.ToLower(all) != all {
		t.Errorf("a condition needs quoting: %s", all)
	}
	data, err := json.Marshal(newPatch(all).PatchOperations)
	if err != nil || !json.Valid(data) {
		t.Errorf("a patch is no JSON: %v", err)
	}
}

// TestPatches_HaveTenOperationsAtMost: the service refuses more.
func TestPatches_HaveTenOperationsAtMost(t *testing.T) {
	rec := timed(time.Hour, time.Minute, 0)
	rec.Events = true
	d := newDocument(session.StoreKey{1}, rec, lock{}, 1)
	var a attempt
	rec.Events = false
	for what, p := range map[string]*patch{
		"a save that knows nothing": a.rewrite(rec, nil, 2, 0).set("/lock", lock{}),
		"a save that has read":      a.rewrite(rec, d, 2, 0).set("/lock", lock{}),
		"a removal":                 removal(session.Token{}, session.EndRevoked, true, 2),
		"a deletion":                removal(session.Token{}, session.EndDelete, false, 2),
	} {
		data, err := json.Marshal(p.PatchOperations)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), `"op":`); n < 2 || n > 10 {
			t.Errorf("%s has %d operations", what, n)
		}
	}
}

// FuzzParse: no document makes the Store panic, or is quoted in an error.
func FuzzParse(f *testing.F) {
	d := newDocument(session.StoreKey{1, 2}, timed(time.Hour, 0, 0), lock{hexToken(session.NewToken()), 1, 2}, 3)
	good, err := d.encode("shard", "x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"v":1,"state":"ended","writes":["","","","","","","","","","","","","","","",""]}`))
	f.Add([]byte(`{"v":1,"lock":{"token":"zz","until":9e15}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parse(data)
		if err != nil {
			if len(data) > 20 && strings.Contains(err.Error(), string(data)) {
				t.Errorf("the error quotes the document: %v", err)
			}
			return
		}
		for _, now := range []int64{0, 1_800_000_000_000, never} {
			d.live(now)
			d.missing(now)
			d.record(now)
			d.lockInfo(now)
			d.info(now)
			d.Life.use(now)
			d.reportable(now)
		}
	})
}
