package sessiontest

import "time"

// SetWaitLimit makes RunAdapter give up sooner, for adapters that are known to
// make it wait in vain.
func SetWaitLimit(d time.Duration) { waitLimit = d }
