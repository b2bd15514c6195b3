package rehearsal

import (
	"fmt"
	"os"
)

// servers are the variables that programs in READMEs read, and those by which
// the tests know the servers.
var servers = map[string]string{
	"DATABASE_URL": "SESSION_TEST_POSTGRES",
	"COSMOS":       "SESSION_TEST_COSMOS",
}

// FromEnvironment has programs that need a server use that of the tests. Without
// one the program is not run, which is said; with SESSION_TEST_REQUIRE=1 it is a
// fault.
func FromEnvironment(cfg *Config) {
	cfg.Servers = make(map[string]string)
	for name, test := range servers {
		cfg.Servers[name] = os.Getenv(test)
	}
	cfg.Missing = func(program, variable string) error {
		test, ok := servers[variable]
		switch {
		case !ok:
			return fmt.Errorf("it reads %s, which the rehearsal knows no server for: teach it one in internal/repo/rehearsal/servers.go", variable)
		case os.Getenv("SESSION_TEST_REQUIRE") == "1":
			return fmt.Errorf("it cannot be run: %s is not set, which says where its server is", test)
		}
		cfg.Log("SKIPPED running %s: %s is not set", program, test)
		return nil
	}
}
