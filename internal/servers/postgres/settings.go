package postgres

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// settingName is what PostgreSQL takes for a parameter, extensions' included.
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// longestSocket is the longest path of a Unix socket that all systems take.
const longestSocket = 103

// configuration returns the text of postgresql.conf.
func configuration(o Options, folder string) (string, error) {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": folder,
		"max_connections":         "200",
		"shared_buffers":          "32MB",
		"log_checkpoints":         "off",
		"log_min_error_statement": "panic", // the statements of errors that tests cause
	}
	if len(folder)+len("/.s.PGSQL.65535") > longestSocket {
		settings["unix_socket_directories"] = ""
	}
	if o.NoSync {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, o.Settings)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := settings[name]
		if !settingName.MatchString(name) || strings.ContainsAny(value, "\n\r\x00") {
			return "", fmt.Errorf("options: setting %q is not a line of postgresql.conf", name)
		}
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value))
	}
	return b.String(), nil
}
