package session

import (
	"bytes"
	"slices"
	"time"
)

// item is one value of a session, encoded. Its bytes are never changed, only
// replaced: they may be shared with the frame they were read from.
type item struct {
	name  []byte
	codec string // the name of the codec that wrote value
	value []byte
}

// items are a session's values, sorted by name.
type items []item

// find returns where name is, or belongs.
func (it items) find(name string) (int, bool) {
	lo, hi := 0, len(it)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if string(it[mid].name) < name { // the conversion does not allocate
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(it) && string(it[lo].name) == name
}

// content is all that a handler can change of a session.
type content struct {
	items    items
	size     int           // of the names and values, in bytes
	idle     time.Duration // the session's own idle timeout; 0: the Manager's
	remember bool
	unborn   bool // settle has stored it, and nothing was put into it since
	owner    string
}

// set stores a value and reports whether that changed anything.
func (c *content) set(name, codec string, value []byte) bool {
	i, found := c.items.find(name)
	if found {
		old := &c.items[i]
		if old.codec == codec && bytes.Equal(old.value, value) {
			return false
		}
		c.size += len(value) - len(old.value)
		old.codec, old.value = codec, value
		return true
	}
	c.size += len(name) + len(value)
	c.items = slices.Insert(c.items, i, item{[]byte(name), codec, value})
	return true
}

// delete removes a value and reports whether there was one.
func (c *content) delete(name string) bool {
	i, found := c.items.find(name)
	if !found {
		return false
	}
	c.size -= len(name) + len(c.items[i].value)
	c.items = slices.Delete(c.items, i, i+1)
	return true
}

// clear removes all values and reports whether there was one.
func (c *content) clear() bool {
	changed := len(c.items) > 0
	c.items, c.size = nil, 0
	return changed
}
