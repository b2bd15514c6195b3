package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/sessionstate/sessionstate/examples/services/internal/launch"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// TestCompose holds docker-compose.yml against the program. It cannot see
// whether Docker runs it.
func TestCompose(t *testing.T) {
	data, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Name     string
		Service  any `yaml:"x-service"`
		Networks map[string]any
		Volumes  map[string]any
		Services map[string]struct {
			Image       string
			Build       struct{ Context, Dockerfile string }
			Command     []string
			Ports       []string
			Networks    []string
			Volumes     []string
			Environment map[string]string
			DependsOn   any `yaml:"depends_on"`
			Healthcheck struct {
				Test              []string
				Interval, Timeout string
				Retries           int
			}
			Restart     string
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
		}
	}
	if err := yaml.UnmarshalWithOptions(data, &compose, yaml.Strict()); err != nil {
		t.Fatal(err)
	}

	// What the file takes from .env is what `services keys` prints.
	var printed strings.Builder
	if code := run(t.Context(), []string{"keys"}, func(string) string { return "" }, strings.NewReader(""), &printed, io.Discard); code != exitOK {
		t.Fatal("services keys: exit code", code)
	}
	keys := map[string]string{}
	for line := range strings.Lines(printed.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		keys[name] = value
	}
	variable := regexp.MustCompile(`\$\{(\w+):\?run services keys\}`)
	expand := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(found string) string {
			value := keys[variable.FindStringSubmatch(found)[1]]
			if value == "" {
				t.Errorf("%s is not what `services keys` prints", found)
			}
			return value
		})
	}

	ours := []string{site.Account, site.Gateway, site.Shop}
	ports := map[string]string{}
	for _, name := range ours {
		_, ports[name], err = net.SplitHostPort(compose.Services[name].Environment["ADDR"])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range ours {
		sv := compose.Services[name]
		env := map[string]string{}
		for variable, value := range sv.Environment {
			env[variable] = expand(value)
			if !slices.Contains(launch.Variables(), variable) {
				t.Errorf("%s: the program knows no %s", name, variable)
			}
			if strings.Contains(env[variable], "$") {
				t.Errorf("%s: %s is not filled in", name, variable)
			}
		}
		for _, other := range ours {
			if text, ok := env[strings.ToUpper(other)+"_URL"]; ok {
				if u, err := url.Parse(text); err != nil || u.Hostname() != other || u.Port() != ports[other] {
					t.Errorf("%s looks for %s elsewhere than it is", name, other)
				}
			}
		}
		if !slices.Equal(sv.Command, []string{name}) || !slices.Equal(sv.Healthcheck.Test, []string{"CMD", "/services", "health"}) {
			t.Errorf("%s: command %q, health check %q", name, sv.Command, sv.Healthcheck.Test)
		}
		if sv.Build.Context != "../.." || sv.Build.Dockerfile != "examples/services/Dockerfile" {
			t.Errorf("%s is built from %+v", name, sv.Build)
		}
		if public := env["PUBLIC_URL"]; public != "http://localhost:"+ports[site.Gateway] {
			t.Errorf("%s: PUBLIC_URL is not the gateway", name)
		}

		// The service starts with it, as far as it gets when it is to end at once.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := runService(ctx, name, func(variable string) string {
			if variable == "ADDR" {
				return "127.0.0.1:0"
			}
			return env[variable]
		}, io.Discard)
		if errors.Is(err, errSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, sv := range compose.Services {
		if want := map[string][]string{site.Gateway: {"127.0.0.1:8080:" + ports[site.Gateway]}}[name]; !slices.Equal(sv.Ports, want) {
			t.Errorf("%s publishes %q, want %q", name, sv.Ports, want)
		}
		for _, network := range sv.Networks {
			if _, ok := compose.Networks[network]; !ok {
				t.Errorf("%s: there is no network %s", name, network)
			}
		}
	}
	if len(compose.Services) != len(ours)+2 {
		t.Errorf("there are %d services", len(compose.Services))
	}

	workflow, err := os.ReadFile("../../.github/workflows/cosmos.yml")
	if err != nil {
		t.Fatal(err)
	}
	if image := compose.Services["cosmos"].Image; !strings.Contains(string(workflow), "IMAGE: "+image+"\n") {
		t.Errorf("%s is not the emulator that is tested", image)
	}
	docker, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"-o /services ./examples/services\n", "COPY --from=build /services /services\n", `ENTRYPOINT ["/services"]`} {
		if !strings.Contains(string(docker), line) {
			t.Errorf("Dockerfile has no %q", line)
		}
	}
}
