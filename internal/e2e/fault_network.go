package main

import (
	"context"
	"math/rand/v2"
)

// disturbConnections: every disturbance in turn, in random order. Those that hold
// data up last longer than a lease now and then.
func disturbConnections(ctx context.Context, st *stage, rng *rand.Rand) error {
	lease := st.set.lease
	for {
		for _, n := range rng.Perm(6) {
			if !pause(ctx, between(rng, lease/10, lease/2)) {
				return nil
			}
			direction := []string{"upstream", "downstream"}[rng.IntN(2)]
			var err error
			switch n {
			case 0:
				st.note("all connections are cut")
				err = st.proxy.cut(ctx, upTo(rng, lease/2))
			case 1:
				st.note("latency %s", direction)
				err = st.proxy.disturb(ctx, "latency", direction, 1, attributes{"latency": (lease / 8).Milliseconds(), "jitter": (lease / 8).Milliseconds()}, between(rng, lease/4, lease))
			case 2:
				st.note("some connections are silent %s", direction)
				err = st.proxy.disturb(ctx, "timeout", direction, 0.5, attributes{"timeout": 0}, between(rng, lease/4, lease+lease/2))
			case 3:
				st.note("some connections break after a few hundred bytes %s", direction)
				err = st.proxy.disturb(ctx, "limit_data", direction, 0.7, attributes{"bytes": 50 + rng.Int64N(800)}, between(rng, lease/8, lease/2))
			case 4:
				st.note("some connections are reset %s", direction)
				err = st.proxy.disturb(ctx, "reset_peer", direction, 0.5, attributes{"timeout": rng.Int64N(20)}, between(rng, lease/8, lease/2))
			case 5:
				st.note("data comes in small pieces %s", direction)
				err = st.proxy.disturb(ctx, "slicer", direction, 1, attributes{"average_size": 20, "size_variation": 10, "delay": 200}, between(rng, lease/8, lease/2))
			}
			if err != nil {
				return err
			}
		}
	}
}
