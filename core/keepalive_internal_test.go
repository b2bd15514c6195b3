package session

import (
	"testing"
	"testing/synctest"
	"time"
)

func remembered(k *keepAlive) (n int) {
	for i := range k.shards {
		n += len(k.shards[i].now) + len(k.shards[i].before)
	}
	return n
}

func TestM14_RecentKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeepAlive(&Manager{cfg: Config{RefreshInterval: time.Minute}})
		for range 400_000 {
			k.due(newID(), blindTouch, time.Minute)
		}
		if n := remembered(k); n > keepAliveShards*2*recentLimit {
			t.Errorf("%d keys are remembered", n)
		}

		// What comes again is known, whatever else comes, within the interval.
		id := newID()
		if !k.due(id, blindTouch, time.Minute) || k.due(id, blindTouch, time.Minute) || !k.due(id, dueTouch, time.Minute) {
			t.Error("due is not once per purpose")
		}
		time.Sleep(time.Minute - 1)
		if k.due(id, blindTouch, time.Minute) {
			t.Error("due twice within the interval")
		}
		time.Sleep(1)
		if !k.due(id, blindTouch, time.Minute) {
			t.Error("not due again after the interval")
		}

		// Traffic that has ended is forgotten with the next two intervals.
		for range 3 {
			time.Sleep(time.Minute)
			for range 10_000 {
				k.due(newID(), blindTouch, time.Minute)
			}
		}
		if n := remembered(k); n > 20_000 {
			t.Errorf("%d keys are still remembered", n)
		}
	})
}
