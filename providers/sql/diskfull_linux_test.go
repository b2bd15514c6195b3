package sqlstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestDiskFull: a full disk is named, does no harm to what is stored, and what
// failed on it can be repeated when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	disk := db.smallDisk(t)
	st, _ := db.store(t, sqlstore.Config{})
	key := create(t, st, "kept")
	token := acquire(t, st, key)
	space := "test_" + db.schema
	db.exec(t, "CREATE TABLESPACE "+space+" LOCATION '"+disk+"'")
	t.Cleanup(func() { db.exec(t, "DROP TABLESPACE "+space) })
	db.exec(t, "ALTER TABLE "+db.table()+" SET TABLESPACE "+space)
	t.Cleanup(func() { db.exec(t, "DROP TABLE "+db.table()) })

	ballast := filepath.Join(disk, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 4<<20), 0o600))
	ctx := limit(t, lease)
	const remedy = "the database's disk is full"
	var err error
	for n := 0; err == nil; n++ {
		if n == 100 {
			t.Fatal("8 MiB do not get full")
		}
		err = st.Create(ctx, newKey(), newRecord(random(100_000)), session.Token{}, 0)
	}
	refused(t, "Create", err, remedy)
	big := newRecord(random(400_000))
	refused(t, "Save", st.Save(ctx, key, big, token, session.Commit{}), remedy)
	refused(t, "Save", st.Save(ctx, key, big, token, session.Commit{MoveTo: newKey()}), remedy)
	if got := data(t, st, key); got != "kept" {
		t.Errorf("the session has %d bytes", len(got))
	}
	if err := st.Extend(ctx, key, token, lease); err != nil {
		t.Errorf("the lock on a full disk: %v", err)
	}

	must(t, os.Remove(ballast))
	big.Repeat = true
	must(t, st.Save(ctx, key, big, token, session.Commit{}))
	if data(t, st, key) != string(big.Data) {
		t.Error("the save on a disk with room has stored something else")
	}
	must(t, st.Release(ctx, key, acquire(t, st, key)))
}

// smallDisk mounts a file system of 8 MiB that belongs to the database's user.
func (db *database) smallDisk(t *testing.T) string {
	t.Helper()
	info, err := os.Stat(query[string](t, db, "SHOW data_directory"))
	if err != nil {
		t.Skipf("the database is on another machine: %v", err)
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("cannot mount a small file system, which needs root: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	owner := info.Sys().(*syscall.Stat_t)
	must(t, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	must(t, os.Chmod(dir, 0o700))
	for parent := filepath.Dir(dir); strings.HasPrefix(parent, os.TempDir()) && parent != os.TempDir(); parent = filepath.Dir(parent) {
		must(t, os.Chmod(parent, 0o755)) // for the database's way there
	}
	return dir
}
