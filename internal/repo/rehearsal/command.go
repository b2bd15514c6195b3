package rehearsal

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandTime bounds one go command: the first ones compile everything that
// the programs need, and may have to download it.
const commandTime = 10 * time.Minute

// goCommand runs the go command as a user in dir does, and returns what it
// prints to standard output.
func (r *run) goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("it took more than %s", commandTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = r.env
	cmd.WaitDelay = time.Second // what it started may keep its output open
	var stdout, all tail
	cmd.Stdout = both{&stdout, &all}
	cmd.Stderr = &all
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, all.text())
	}
	return stdout.String(), nil
}
