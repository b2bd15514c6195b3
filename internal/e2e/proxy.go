package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxy stands between the service and its database and lets nothing pass
// undisturbed.
type proxy struct {
	proxy *toxiproxy.Proxy
	dsn   string
}

// attributes are a toxic's.
type attributes map[string]int64

func newProxy(dsn string) (*proxy, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("proxy: the DSN is no URL")
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{proxy: toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", u.Host)}
	if err := p.proxy.Start(); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	u.Host = p.proxy.Listen
	p.dsn = u.String()
	return p, nil
}

func (p *proxy) close() { p.proxy.Stop() }

// cut ends all connections and accepts none for a while.
func (p *proxy) cut(ctx context.Context, d time.Duration) error {
	p.proxy.Stop()
	pause(ctx, d)
	if err := p.proxy.Start(); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// disturb has a toxic act for a while, on that share of the connections.
func (p *proxy) disturb(ctx context.Context, kind, direction string, share float32, a attributes, d time.Duration) error {
	toxic, err := json.Marshal(map[string]any{
		"name": kind, "type": kind, "stream": direction, "toxicity": share, "attributes": a,
	})
	if err != nil {
		return err
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(toxic)); err != nil {
		return fmt.Errorf("proxy: %s: %w", kind, err)
	}
	pause(ctx, d)
	if err := p.proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), kind); err != nil {
		return fmt.Errorf("proxy: %s: %w", kind, err)
	}
	return nil
}
