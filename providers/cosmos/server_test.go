package cosmosstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// TestServer_DecidesOnPatchesByTheirConditions: what all else rests on, asked of
// the server of the tests without the Store. Run it first against a server that
// is new: where it fails, nothing that the other tests say means anything.
func TestServer_DecidesOnPatchesByTheirConditions(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	open(t, cfg) // makes the container
	container := containerClient(t, cfg)
	const id = "probe"
	key := azcosmos.NewPartitionKeyString(id)
	document := `{"id":"probe","ttl":600,"token":"ab12","n":1,"life":{"seen":1700000000000,"slide":60000,"due":0},
		"list":["a1","b2",""],"flag":false}`
	if _, err := container.CreateItem(t.Context(), key, []byte(document), nil); err != nil {
		t.Fatal(err)
	}
	try := func(condition string) (*azcore.ResponseError, string) {
		t.Helper()
		var p azcosmos.PatchOperations
		p.SetCondition("from c where " + condition)
		p.AppendSet("/ttl", 900)
		p.AppendAdd("/list/0", "new")
		p.AppendRemove("/list/3")
		p.AppendIncrement("/n", 1)
		p.AppendSet("/life/due", 5)
		got, err := container.PatchItem(t.Context(), key, id, p, &azcosmos.ItemOptions{EnableContentResponseOnWrite: true})
		var refusal *azcore.ResponseError
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		return refusal, strings.ReplaceAll(string(got.Value), " ", "")
	}
	for _, condition := range []string{
		"c.token = 'ab13'",
		"c.n = 2",
		"c.absent > 1",
		"not (c.absent > 1) and c.n = 2",
		"c.flag = true",
		"array_contains(c.list, 'c3')",
		"not array_contains(c.list, 'b2')",
		"c.life.seen + c.life.slide > 1700000060000",
		"c.n = 1 and (c.token = 'x' or c.flag = true)",
		"c.token = 'x' or c.n = 1 and c.flag = true",
	} {
		if refusal, _ := try(condition); refusal == nil || refusal.StatusCode != 412 {
			t.Errorf("a condition that does not hold was not refused with 412: %s", condition)
		}
	}
	got, err := container.ReadItem(t.Context(), key, id, nil)
	if err != nil || !strings.Contains(strings.ReplaceAll(string(got.Value), " ", ""), `"n":1`) {
		t.Fatalf("a patch that was refused has changed the document, or it cannot be read: %v", err)
	}
	refusal, body := try("c.token = 'ab12' and c.life.seen + c.life.slide > 1700000059999 and not array_contains(c.list, 'c3')" +
		" and (c.flag = true or c.n = 1 and c.ttl >= 600)")
	if refusal != nil {
		t.Fatalf("a condition that holds was refused with %d", refusal.StatusCode)
	}
	for _, want := range []string{`"n":2`, `"list":["new","a1","b2"]`, `"due":5`, `"ttl":900`} {
		if !strings.Contains(body, want) {
			t.Errorf("the answer to the patch lacks %s: %s", want, body)
		}
	}
}
