package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// expiryChecks prove S10 and how Create, Save and Swap set the expiry (S7,
// M14).
func expiryChecks() []check {
	return []check{
		{name: "S7/Create sets the expiry", run: createExpiry},
		{name: "S7/Save extends the expiry if due", run: func(k *kit) { k.extendsIfDue(saving) }},
		{name: "S7/Save that changes the times sets the expiry anew", run: func(k *kit) { k.setsAnew(saving) }},
		{name: "S9/Swap extends the expiry if due", run: func(k *kit) { k.extendsIfDue(swapping) }},
		{name: "S9/Swap that changes the times sets the expiry anew", run: func(k *kit) { k.setsAnew(swapping) }},
		{name: "S10/Touch extends the expiry if due", run: func(k *kit) { k.extendsIfDue(touching) }},
		{name: "S10/Touch never shortens the expiry", run: touchNeverShortens},
		{name: "S10/Touch stops at the Lifetime", run: touchStopsAtLifetime},
		{name: "S10/Touch leaves data and lock alone", run: touchLeavesTheRest},
		{name: "S10/Load reports the expiry and does not extend it", run: loadDoesNotExtend},
		{name: "S10/a record used all the time lives on", run: livesOn},
	}
}

func createExpiry(k *kit) {
	for _, c := range []struct {
		what                    string
		idle, refresh, lifetime time.Duration
		want                    time.Duration
	}{
		{"all set", idle, refresh, lifetime, idle + refresh},
		{"no Refresh", idle, 0, lifetime, idle},
		{"no Lifetime", idle, refresh, 0, idle + refresh},
		{"a Lifetime shorter than the IdleTimeout", idle, refresh, 10 * time.Minute, 10 * time.Minute},
		{"a Lifetime within the Refresh", idle, refresh, idle + time.Minute, idle + time.Minute},
		{"no IdleTimeout", 0, refresh, lifetime, lifetime},
		{"neither IdleTimeout nor Lifetime", 0, refresh, 0, 0},
	} {
		rec := k.record(c.what)
		rec.IdleTimeout, rec.Refresh, rec.Lifetime = c.idle, c.refresh, c.lifetime
		got := k.loaded(k.stored(rec))
		k.wantContent(c.what, got, rec)
		k.wantNear(c.what+": ExpiresIn", got.ExpiresIn, c.want)
		if c.want == 0 && got.ExpiresIn != 0 {
			k.Errorf("%s: ExpiresIn is %v, want 0", c.what, got.ExpiresIn)
		}
	}

	never := k.record("never expires")
	never.IdleTimeout, never.Refresh, never.Lifetime = 0, 0, 0
	key := k.stored(never)
	k.Advance(400 * 24 * time.Hour)
	k.wantStored(key, never)
	k.must(k.here.Touch(key))
	got, err := k.here.Acquire(key, session.NewToken(), lease)
	k.expect(err, "Acquire", nil)
	if got.ExpiresIn != 0 {
		k.Errorf("ExpiresIn of a record that never expires is %v, want 0", got.ExpiresIn)
	}
}

// use is a way to use a record again and again: it stores rec and returns its
// key and what uses it, which a Touch does without the record it is given.
type use func(k *kit, rec session.Record) (session.StoreKey, func(session.Record))

// saving never acquires, which would extend the expiry in the Save's stead: its
// token lapses at times, and still holds (S5).
func saving(k *kit, rec session.Record) (session.StoreKey, func(session.Record)) {
	key, token := k.locked(rec)
	return key, func(rec session.Record) {
		k.Helper()
		k.must(k.here.Save(key, rec, token, session.Commit{Keep: lease}))
	}
}

func swapping(k *kit, rec session.Record) (session.StoreKey, func(session.Record)) {
	key := k.stored(rec)
	return key, func(rec session.Record) {
		k.Helper()
		k.must(k.here.Swap(key, rec, k.loaded(key).Write))
	}
}

func touching(k *kit, rec session.Record) (session.StoreKey, func(session.Record)) {
	key := k.stored(rec)
	return key, func(session.Record) {
		k.Helper()
		k.must(k.here.Touch(key))
	}
}

func (k *kit) extendsIfDue(use use) {
	rec := k.record("with Refresh")
	key, again := use(k, rec)
	k.Advance(refresh / 2)
	again(next(rec, "not due"))
	k.wantExpiresIn(key, idle+refresh/2)
	k.Advance(refresh)
	again(next(rec, "due"))
	k.wantExpiresIn(key, idle+refresh)

	rec = k.record("without Refresh")
	rec.Refresh = 0
	key, again = use(k, rec)
	k.Advance(time.Minute)
	again(next(rec, "due"))
	k.wantExpiresIn(key, idle)

	rec = k.record("with a short Lifetime")
	rec.Lifetime = idle + 10*time.Minute
	key, again = use(k, rec)
	k.Advance(15 * time.Minute)
	again(next(rec, "up to the Lifetime"))
	k.wantExpiresIn(key, idle-5*time.Minute)
	k.Advance(5 * time.Minute)
	again(next(rec, "no further"))
	k.wantExpiresIn(key, idle-10*time.Minute)

	rec = k.record("without IdleTimeout")
	rec.IdleTimeout, rec.Lifetime = 0, time.Hour
	key, again = use(k, rec)
	k.Advance(10 * time.Minute)
	again(next(rec, "does not slide"))
	k.wantExpiresIn(key, 50*time.Minute)
}

func (k *kit) setsAnew(use use) {
	for _, c := range []struct {
		what   string
		change func(*session.Record)
		want   time.Duration // five minutes after Create
	}{
		{"a longer IdleTimeout", func(r *session.Record) { r.IdleTimeout = 3 * idle }, 3*idle + refresh},
		{"a shorter IdleTimeout", func(r *session.Record) { r.IdleTimeout = idle / 4 }, idle/4 + refresh},
		{"no IdleTimeout", func(r *session.Record) { r.IdleTimeout = 0 }, lifetime - 5*time.Minute},
		{"a longer Refresh", func(r *session.Record) { r.Refresh = idle / 2 }, idle * 3 / 2},
		{"a shorter Refresh", func(r *session.Record) { r.Refresh = refresh / 4 }, idle + refresh/4},
		{"a shorter Lifetime", func(r *session.Record) { r.Lifetime = idle / 2 }, idle/2 - 5*time.Minute},
		{"nothing that counts", func(r *session.Record) { r.IdleTimeout, r.Lifetime = 0, 0 }, 0},
	} {
		rec := k.record("first")
		key, again := use(k, rec)
		k.Advance(5 * time.Minute)
		again(next(rec, "renews the expiry in full"))
		changed := next(rec, c.what)
		c.change(&changed)
		again(changed)
		k.wantExpiresIn(key, c.want)
		k.wantStored(key, changed)
	}
}

func touchNeverShortens(k *kit) {
	key := k.stored(k.record("content"))
	before := k.loaded(key).ExpiresIn
	for range 10 {
		k.must(k.here.Touch(key))
		k.must(k.there.Touch(key))
	}
	k.wantExpiresIn(key, before)
	k.Advance(refresh - 10*time.Second)
	k.must(k.there.Touch(key))
	k.wantExpiresIn(key, before-refresh+10*time.Second)
}

func touchStopsAtLifetime(k *kit) {
	rec := k.record("content")
	rec.Lifetime = 2 * idle
	key := k.stored(rec)
	for range 3 {
		k.Advance(idle / 2)
		k.must(k.there.Touch(key))
	}
	k.wantExpiresIn(key, idle/2)
	k.Advance(idle/2 + slack)
	k.expect(k.there.Touch(key), "Touch", session.ErrNotFound)
	k.wantGone(key)
}

func touchLeavesTheRest(k *kit) {
	rec := k.record("content")
	key := k.stored(rec)
	token := session.NewToken()
	_, err := k.here.Acquire(key, token, 10*time.Minute)
	k.must(err)
	k.Advance(5 * time.Minute)
	k.expect(k.there.Touch(key), "Touch of a locked record", nil)
	k.wantExpiresIn(key, idle+refresh)
	k.wantStored(key, rec)
	k.wantHolder(key, token)
	if lock := k.loaded(key).Lock; lock != nil {
		k.wantNear("the lease left", lock.Left, 5*time.Minute)
	}
	k.expect(k.here.Save(key, next(rec, "saved"), token, session.Commit{}), "Save by the holder", nil)
}

func loadDoesNotExtend(k *kit) {
	key := k.stored(k.record("content"))
	for range 4 {
		k.Advance(idle / 4)
		_, err := k.there.LoadWaiting(key)
		k.must(err)
	}
	k.wantExpiresIn(key, refresh)
	k.Advance(refresh + slack)
	k.wantGone(key)
}

func livesOn(k *kit) {
	rec := k.record("content")
	key := k.stored(rec)
	for i := range 12 {
		k.Advance(idle * 3 / 4)
		switch i % 3 {
		case 0:
			k.must(k.here.Touch(key))
		case 1:
			token := k.acquired(key)
			rec = next(rec, "saved")
			k.must(k.here.Save(key, rec, token, session.Commit{}))
		case 2:
			swapped := next(rec, "swapped")
			k.must(k.there.Swap(key, swapped, rec.Write))
			rec = swapped
		}
	}
	k.wantStored(key, rec)
	k.wantExpiresIn(key, idle+refresh)
}
