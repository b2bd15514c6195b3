package process

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// guard is a shell script that outlives this process. It reads the server's
// process ID after each start and each end, until its input ends: because the folder
// is no longer wanted, or because this process is dead, even of SIGKILL. Then
// it ends the server and deletes the folder. The test for a Z is for containers
// whose first process leaves zombies behind.
const guard = `
folder=$1 signal=$2 pid=
while read -r line; do pid=$line; done
runs() {
	kill -0 "$pid" 2>/dev/null || return 1
	if [ -r "/proc/$pid/stat" ]; then
		read -r stat <"/proc/$pid/stat" || return 1
		case $stat in *") Z "*) return 1 ;; esac
	fi
}
if [ -n "$pid" ]; then
	kill "-$signal" "$pid" 2>/dev/null
	tries=0
	while runs && [ "$tries" -lt 100 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	if runs; then
		kill -9 "$pid" 2>/dev/null
		sleep 1
	fi
fi
rm -rf -- "$folder" || { sleep 1 && rm -rf -- "$folder"; }
`

// startGuard starts the folder's guard, in a group of its own: Ctrl-C is not
// for it.
func (f *Folder) startGuard() error {
	f.guard = exec.Command("sh", "-c", guard, "guard", f.path, strconv.Itoa(int(f.end)))
	f.guard.Dir = "/"
	f.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if f.pipe, err = f.guard.StdinPipe(); err != nil {
		return err
	}
	if err := f.guard.Start(); err != nil {
		return fmt.Errorf("start the guard of %s: %w", f.path, err)
	}
	return nil
}

// tell gives the guard the process ID of the server, "" for none: the ID of a
// process that has ended may soon be somebody else's.
func (f *Folder) tell(pid string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pipe == nil {
		return fmt.Errorf("%s is closed", f.path)
	}
	_, err := fmt.Fprintln(f.pipe, pid)
	return err
}
