package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/examples/internal/shop"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// proxy passes requests on to a service. All services are one origin for the
// browser, which sends all their cookies with each request: the service gets
// its own and no other, and can set its own and no other. So who has broken
// into one service reads nobody's ID of another, and plants none there.
func (sv *Service) proxy(service string, target *url.URL) http.Handler {
	cookie := site.Cookie(service, sv.cfg.Secure).Name
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the services compare it with a form's Origin
			r.SetXForwarded()
			r.Out.Header.Del("Cookie")
			for _, c := range r.In.Cookies() {
				if c.Name == cookie {
					r.Out.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
				}
			}
		},
		ModifyResponse: func(res *http.Response) error {
			all := res.Header.Values("Set-Cookie")
			res.Header.Del("Set-Cookie")
			for _, line := range all {
				if name, _, _ := strings.Cut(line, "="); strings.TrimSpace(name) == cookie {
					res.Header.Add("Set-Cookie", line)
				} else {
					sv.cfg.Logger.Warn("a service has set a cookie that is not its own; it was dropped", "service", service)
				}
			}
			for name := range shop.SecurityHeaders() {
				res.Header.Del(name) // the reply has the gateway's, whatever the service says
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				return // the client is gone
			}
			sv.cfg.Logger.Error("a service does not answer", "service", service, "error", err)
			write(w, sv.pages.Problem(http.StatusBadGateway, "This service does not answer. Please try again in a moment."))
		},
		Transport: transport(),
	}
}

func transport() http.RoundTripper {
	return &http.Transport{
		MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     time.Minute, // shorter than the services'
		// Longer than a request waits for its session and then takes.
		ResponseHeaderTimeout: 2 * time.Minute,
		ExpectContinueTimeout: time.Second,
	}
}

// plainPath refuses addresses that the gateway and a service may read
// differently: with dot segments, doubled or escaped slashes, or backslashes.
// Else /shop/../backchannel would be the shop's for the gateway, and for the
// shop what only services are to reach.
func plainPath(refuse http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, clean := r.URL.Path, path.Clean(r.URL.Path)
			if r.URL.RawPath != "" || strings.ContainsAny(p, "\\\x00") || p != clean && p != clean+"/" {
				refuse(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
