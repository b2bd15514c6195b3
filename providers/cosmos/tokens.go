package cosmosstore

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// sessionTokens remembers what this process has seen of each partition: the
// service's session tokens, which the SDK does not keep. Given with a read they
// make it see at least as much, under Session consistency, so that a process
// never reads what is older than what it wrote or read before.
//
// A token is "range:version#number#…" or "range:number"; an answer, and a
// request that may go to any partition, has several, separated by commas.
type sessionTokens struct {
	mu      sync.Mutex
	byRange map[string]sessionToken
	joined  string
}

type sessionToken struct {
	text            string
	version, number int64
	ordered         bool // version and number say which of two is the newer
}

// longest bounds the header: servers refuse longer ones, and an account with so
// many partitions is better read with what the account guarantees.
const longest = 8 << 10

// learn takes up the tokens of an answer.
func (t *sessionTokens) learn(header string) {
	if header == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := false
	for one := range strings.SplitSeq(header, ",") {
		partition, text, ok := strings.Cut(strings.TrimSpace(one), ":")
		if !ok {
			continue
		}
		fresh := parseSessionToken(text)
		if known, ok := t.byRange[partition]; ok && known.text == fresh.text || known.ordered && !fresh.newer(known) {
			continue
		}
		if t.byRange == nil {
			t.byRange = make(map[string]sessionToken)
		}
		t.byRange[partition] = fresh
		changed = true
	}
	if changed {
		t.join()
	}
}

// forget drops all that was learned.
func (t *sessionTokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byRange, t.joined = nil, ""
}

func (t *sessionTokens) join() {
	var all []string
	for _, partition := range slices.Sorted(maps.Keys(t.byRange)) {
		all = append(all, partition+":"+t.byRange[partition].text)
	}
	t.joined = strings.Join(all, ",")
	if len(t.joined) > longest {
		t.joined = ""
	}
}

// header returns what to send with a read, or nil.
func (t *sessionTokens) header() *string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.joined == "" {
		return nil
	}
	joined := t.joined
	return &joined
}

func parseSessionToken(text string) sessionToken {
	t := sessionToken{text: text}
	first, rest, versioned := strings.Cut(text, "#")
	if !versioned {
		rest, first = first, "0"
	}
	rest, _, _ = strings.Cut(rest, "#")
	var err1, err2 error
	t.version, err1 = strconv.ParseInt(first, 10, 64)
	t.number, err2 = strconv.ParseInt(rest, 10, 64)
	t.ordered = err1 == nil && err2 == nil
	return t
}

// newer says whether t should take the place of known. What cannot be compared
// is taken: it came later.
func (t sessionToken) newer(known sessionToken) bool {
	if !t.ordered || t.version != known.version {
		return !t.ordered || t.version > known.version
	}
	return t.number > known.number
}
