package sessiontest

import session "github.com/sessionstate/sessionstate/core"

// exposed returns s as a Store of a type that has the right methods. A type's
// methods are fixed when it is compiled, so each of the 16 combinations needs
// a type of its own; embedded in a struct, an interface lends it its methods.
func (s *intercepted) exposed() session.Store {
	type (
		store = session.Store
		w     = session.Watcher
		o     = session.OwnerIndex
		i     = session.Iterator
		p     = session.Pinger
	)
	has := [4]bool{s.watcher != nil, s.owners != nil, s.iterator != nil, s.pinger != nil}
	const y, n = true, false
	switch has {
	case [4]bool{n, n, n, y}:
		return struct {
			store
			p
		}{s, s}
	case [4]bool{n, n, y, n}:
		return struct {
			store
			i
		}{s, s}
	case [4]bool{n, n, y, y}:
		return struct {
			store
			i
			p
		}{s, s, s}
	case [4]bool{n, y, n, n}:
		return struct {
			store
			o
		}{s, s}
	case [4]bool{n, y, n, y}:
		return struct {
			store
			o
			p
		}{s, s, s}
	case [4]bool{n, y, y, n}:
		return struct {
			store
			o
			i
		}{s, s, s}
	case [4]bool{n, y, y, y}:
		return struct {
			store
			o
			i
			p
		}{s, s, s, s}
	case [4]bool{y, n, n, n}:
		return struct {
			store
			w
		}{s, s}
	case [4]bool{y, n, n, y}:
		return struct {
			store
			w
			p
		}{s, s, s}
	case [4]bool{y, n, y, n}:
		return struct {
			store
			w
			i
		}{s, s, s}
	case [4]bool{y, n, y, y}:
		return struct {
			store
			w
			i
			p
		}{s, s, s, s}
	case [4]bool{y, y, n, n}:
		return struct {
			store
			w
			o
		}{s, s, s}
	case [4]bool{y, y, n, y}:
		return struct {
			store
			w
			o
			p
		}{s, s, s, s}
	case [4]bool{y, y, y, n}:
		return struct {
			store
			w
			o
			i
		}{s, s, s, s}
	case [4]bool{y, y, y, y}:
		return s
	}
	return struct{ store }{s}
}
