// Package process runs one server of somebody else's making in a temporary
// folder of its own, and sees to it that neither outlives the program that
// wanted them, however that program ends.
//
// Such servers refuse to run as root: for root, they run as the user postgres,
// or nobody where there is none.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Folder is a temporary folder for one server, which owns it. It is safe for
// concurrent use.
type Folder struct {
	path  string
	end   syscall.Signal
	as    *syscall.Credential // nil: as this process
	guard *exec.Cmd

	mu   sync.Mutex
	pipe io.WriteCloser // to the guard; nil once the folder is removed
}

// NewFolder makes a folder whose name begins with name. The signal end makes
// its server stop at once, whatever it is doing: the server gets it when this
// process dies.
func NewFolder(name string, end syscall.Signal) (*Folder, error) {
	return NewFolderIn("", name, end)
}

// NewFolderIn makes it in a folder that the server's user can enter; with "", in
// the one for temporary files.
func NewFolderIn(parent, name string, end syscall.Signal) (*Folder, error) {
	as, err := account()
	if err != nil {
		return nil, err
	}
	if parent == "" {
		if parent, err = temporary(as); err != nil {
			return nil, err
		}
	} else if parent, err = filepath.EvalSymlinks(parent); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		return nil, err
	}
	f := &Folder{path: path, end: end, as: as}
	if err := f.own(path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	if err := f.startGuard(); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return f, nil
}

// Path returns the path of a file in the folder, or of the folder itself.
func (f *Folder) Path(name ...string) string {
	return filepath.Join(append([]string{f.path}, name...)...)
}

// WriteFile writes a file that only the server's user can read.
func (f *Folder) WriteFile(name, text string) error {
	if err := os.WriteFile(f.Path(name), []byte(text), 0o600); err != nil {
		return err
	}
	return f.own(f.Path(name))
}

// Run runs a program to its end, in the folder and as the server's user, while
// the server does not run. The error has the last lines of what the program wrote.
func (f *Folder) Run(ctx context.Context, program string, args ...string) error {
	var output bytes.Buffer
	cmd := f.command(ctx, program, args)
	cmd.Stdout, cmd.Stderr = &output, &output
	p := start(cmd, syscall.SIGKILL, f.tell)
	<-p.done
	if p.err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", filepath.Base(program), context.Cause(ctx))
	}
	err := fmt.Errorf("%s: %w", filepath.Base(program), p.err)
	if lines := lastLines(output.Bytes()); lines != "" {
		err = fmt.Errorf("%w\n%s", err, lines)
	}
	return err
}

// Start starts the folder's server, in the folder and as the server's user.
// What it writes is kept in the folder, in the file "log". One runs at a time:
// the one before must have ended.
func (f *Folder) Start(program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(f.Path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	cmd := f.command(context.Background(), program, args)
	cmd.Stdout, cmd.Stderr = log, log
	p := start(cmd, f.end, f.tell)
	p.log, p.from = log.Name(), from
	if cmd.Process == nil {
		<-p.done
		return nil, p.err
	}
	return p, nil
}

// Remove ends the folder's server, if it still runs, and deletes the folder.
// Only the first call does something.
func (f *Folder) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pipe == nil {
		return nil
	}
	f.pipe.Close() // the guard does the rest
	f.pipe = nil
	if err := f.guard.Wait(); err != nil {
		return fmt.Errorf("remove %s: %w", f.path, err)
	}
	return nil
}

// own gives a file to the server's user.
func (f *Folder) own(path string) error {
	if f.as == nil {
		return nil
	}
	return os.Chown(path, int(f.as.Uid), int(f.as.Gid))
}

// command is a program that has nothing from this one's environment which could
// make it another server's client.
func (f *Folder) command(ctx context.Context, program string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = f.path
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "SESSION_TEST_") && !strings.HasPrefix(v, "LC_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "HOME="+f.path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: f.as}
	return cmd
}

// lastLines returns the end of what a program wrote, short enough for an error.
func lastLines(b []byte) string {
	const most = 4 << 10
	if len(b) > most {
		b = b[len(b)-most:]
		if _, rest, found := bytes.Cut(b, []byte("\n")); found {
			b = rest
		}
	}
	return strings.TrimSpace(string(b))
}
