package cosmosstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
)

// patch is a change of a document. The service takes ten operations at most.
type patch struct{ azcosmos.PatchOperations }

// newPatch returns a patch that takes effect if all of the conditions hold.
func newPatch(conditions ...string) *patch {
	p := new(patch)
	p.SetCondition(condition(conditions...))
	return p
}

func (p *patch) set(path string, value any) *patch {
	p.AppendSet(path, value)
	return p
}

// note remembers a write as the last one, and forgets the oldest.
func (p *patch) note(w session.WriteID) *patch {
	p.AppendAdd("/writes/0", hexWrite(w))
	p.AppendRemove("/writes/" + strconv.Itoa(remembered))
	p.AppendIncrement("/written", 1)
	return p
}

// patch changes the document of id. With content it returns it as it is then.
func (a *attempt) patch(id string, p *patch, content bool) (*document, error) {
	got, err := a.write(a.patching(id, p, content))
	if err != nil || !content {
		return nil, err
	}
	return a.parse(got)
}

func (a *attempt) patching(id string, p *patch, content bool) func(context.Context) (answer, error) {
	return func(ctx context.Context) (answer, error) {
		return itemAnswer(a.s.container.PatchItem(ctx, a.s.partitionKey(id), id, p.PatchOperations,
			&azcosmos.ItemOptions{EnableContentResponseOnWrite: content}))
	}
}

// read reads the document of id: what this process wrote or saw before, or
// newer. Under Session consistency or weaker it may miss what others wrote just
// now; what must not be missed is patched, or read by fresh.
func (a *attempt) read(id string) (*document, error) {
	got, err := a.ask(func(ctx context.Context) (answer, error) {
		return itemAnswer(a.s.container.ReadItem(ctx, a.s.partitionKey(id), id, &azcosmos.ItemOptions{
			SessionToken:     a.s.tokens.header(),
			ConsistencyLevel: a.s.consistency,
		}))
	})
	if notInSession(err) {
		// No replica gets that far: the tokens are of a container that was
		// deleted and made anew, or of a region that has failed.
		a.s.tokens.forget()
		if d, err := a.fresh(id); !errors.Is(err, errRefused) {
			return d, err
		}
		return nil, corrupt(errForeign) // nothing but another program's is refused
	}
	if err != nil {
		return nil, err
	}
	return a.parse(got)
}

// fresh reads the document of id as it is now, whatever the consistency: by a
// patch that changes nothing, which no replica but the first answers. It costs
// as much as a write.
func (a *attempt) fresh(id string) (*document, error) {
	return a.aside(id, newPatch("c.v = "+strconv.Itoa(version)).set("/v", version))
}

// aside changes the document of id, and returns it, by a patch that is not what
// the operation is about: that its answer was lost leaves nobody unsure of that.
func (a *attempt) aside(id string, p *patch) (*document, error) {
	got, err := a.ask(a.patching(id, p, true))
	if err != nil {
		return nil, err
	}
	return a.parse(got)
}

// find reads the document of id to see why a patch was refused, or where none
// was tried. A read may be of a replica that lags behind. It is believed if it
// finds what the caller expects and can go on with; that a session, a lock or a
// document is not there is believed only if the first replica says so: somebody
// would be logged out, lose his changes, or stay logged in. Where what is read
// explains nothing, time after time, the first replica is asked as well.
//
// A document that has moved there but does not know yet is settled.
func (a *attempt) find(id string, expected func(*document) bool) (*document, error) {
	if a.rounds < 3 || a.s.strong() {
		d, err := a.settling(a.read(id))
		if a.s.strong() || err == nil && expected(d) || err != nil && !errors.Is(err, errAbsent) {
			return d, err
		}
	}
	d, err := a.settling(a.fresh(id))
	if errors.Is(err, errRefused) { // another program wrote it, which a read says better
		d, err = a.read(id)
	}
	return d, err
}

// anything is expected where it does no harm if the document has changed since.
func anything(*document) bool { return true }

func (a *attempt) settling(d *document, err error) (*document, error) {
	if err == nil && d.State == statePending {
		return a.settle(d)
	}
	return d, err
}

// create stores a document where there is none.
func (a *attempt) create(d *document) error {
	data, err := d.encode(a.s.property, a.s.partition(d.ID))
	if err != nil {
		return err
	}
	_, err = a.write(func(ctx context.Context) (answer, error) {
		return itemAnswer(a.s.container.CreateItem(ctx, a.s.partitionKey(d.ID), data, nil))
	})
	return err
}

// replace puts d in the place of a document that is still as it was read.
func (a *attempt) replace(d *document, etag string) error {
	data, err := d.encode(a.s.property, a.s.partition(d.ID))
	if err != nil {
		return err
	}
	match := azcore.ETag(etag)
	_, err = a.write(func(ctx context.Context) (answer, error) {
		return itemAnswer(a.s.container.ReplaceItem(ctx, a.s.partitionKey(d.ID), d.ID, data,
			&azcosmos.ItemOptions{IfMatchEtag: &match}))
	})
	return err
}

func (a *attempt) parse(got answer) (*document, error) {
	d, err := parse(got.data)
	if err != nil {
		return nil, corrupt(err)
	}
	return d, nil
}

// partitionKey returns the partition key of the document of id.
func (s *Store) partitionKey(id string) azcosmos.PartitionKey {
	return azcosmos.NewPartitionKeyString(s.partition(id))
}

// partition returns its value.
func (s *Store) partition(id string) string {
	if s.partitions == 0 {
		return id
	}
	return strconv.Itoa(int(id[0]) % s.partitions)
}
