package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"slices"

	bolt "go.etcd.io/bbolt"

	session "github.com/sessionstate/sessionstate/core"
)

// The buckets. A record lies under its StoreKey; one that has ended and waits to
// be reported, while its key is used anew, under the key and a number behind
// it. The index has the time at which a record may fall due, or an earlier one,
// and then where the record lies.
var (
	recordsBucket = []byte("sessions")
	dueBucket     = []byte("due")
)

// table is the records in one transaction, at one moment.
type table struct {
	records, due *bolt.Bucket
	now          instant
}

func tableOf(tx *bolt.Tx, now instant) table {
	return table{tx.Bucket(recordsBucket), tx.Bucket(dueBucket), now}
}

// get returns the record at a place, nil if there is none.
func (t table) get(place []byte) (*entry, error) {
	data := t.records.Get(place)
	if data == nil {
		return nil, nil
	}
	e := new(entry)
	return e, gob.NewDecoder(bytes.NewReader(data)).Decode(e)
}

// put stores a record. Its place in the index is only ever changed for an
// earlier one: Reap finds out about those that fall due later than filed, and
// using a session does not write to the index.
func (t table) put(place []byte, e *entry) error {
	if at := e.due(); at != never && (e.Filed == 0 || at < e.Filed) {
		if err := t.file(place, e, at); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(e); err != nil {
		return err
	}
	return t.records.Put(place, b.Bytes())
}

// drop deletes a record.
func (t table) drop(place []byte, e *entry) error {
	if err := t.unfile(place, e); err != nil {
		return err
	}
	return t.records.Delete(place)
}

// file moves e in the index. The caller stores e.
func (t table) file(place []byte, e *entry, at instant) error {
	if err := t.unfile(place, e); err != nil {
		return err
	}
	e.Filed = max(at, 1) // 0 would be nowhere
	return t.due.Put(dueKey(e.Filed, place), nil)
}

func (t table) unfile(place []byte, e *entry) error {
	if e.Filed == 0 {
		return nil
	}
	at := e.Filed
	e.Filed = 0
	return t.due.Delete(dueKey(at, place))
}

func dueKey(at instant, place []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(at)), place...)
}

// clear makes the place of a dead record free for a new one: what must still be
// reported is put aside, reachable for nobody but Reap and who claimed it.
func (t table) clear(place []byte, e *entry) error {
	if e == nil {
		return nil
	}
	if err := t.drop(place, e); err != nil || e.Moved || !e.Events {
		return err
	}
	if e.Reason == 0 {
		e.free() // taken for free (S5): its holder's token has lapsed
		e.Reason = session.EndExpired
	}
	n, err := t.records.NextSequence()
	if err != nil {
		return err
	}
	return t.put(binary.BigEndian.AppendUint64(slices.Clone(place), n), e)
}

// claimed returns the ended record that token has claimed, and where it lies,
// nil if there is none.
func (t table) claimed(key session.StoreKey, token session.Token) ([]byte, *entry, error) {
	c := t.records.Cursor()
	for place, _ := c.Seek(key[:]); bytes.HasPrefix(place, key[:]); place, _ = c.Next() {
		e, err := t.get(place)
		if err != nil {
			return nil, nil, err
		}
		if e.Reason != 0 && e.holds(token) {
			return slices.Clone(place), e, nil
		}
	}
	return nil, nil, nil
}

// collect returns where those records of the index lie that are due, of a
// namespace and with or without Events, up to a limit. Those that were used
// since they were filed are filed anew.
func (t table) collect(namespace string, events bool, limit int) (places [][]byte, err error) {
	type used struct {
		place []byte
		e     *entry
	}
	var later []used
	end := binary.BigEndian.AppendUint64(nil, uint64(t.now)+1)
	c := t.due.Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0 && len(places) < limit; k, _ = c.Next() {
		place := slices.Clone(k[8:])
		e, err := t.get(place)
		switch {
		case err != nil:
			return nil, err
		case e.due() > t.now:
			later = append(later, used{place, e})
		case e.Namespace == namespace && e.Events == events:
			places = append(places, place)
		}
	}
	for _, u := range later {
		at := u.e.due()
		if at == never {
			err = t.unfile(u.place, u.e)
		} else {
			err = t.file(u.place, u.e, at)
		}
		if err == nil {
			err = t.put(u.place, u.e)
		}
		if err != nil {
			return nil, err
		}
	}
	return places, nil
}
