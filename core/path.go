package session

import (
	"net/url"
	"strings"
)

// What stands in front of a path that has an ID in it, as ASP.NET writes it:
// "/(S(id))/page". With nothing between the parentheses it is the marker that
// AutoDetect sends a client to, to see whether its cookie comes along.

// pathPrefix returns what goes in front of a path for that ID.
func pathPrefix(id string) string { return "/(S(" + id + "))" }

// cutPrefix takes what has the form of a prefix off an escaped path, again and
// again: an ID must not get to the router, nor to what logs there. The first
// one counts. value is what it has between its parentheses, an ID or anything
// else; rest begins with one slash, so that no browser takes what follows for
// a host.
//
// Some clients and proxies escape parentheses, which means the same (RFC 3986
// 2.2 leaves that to us). An ID has one form only: escaped, it is none.
func cutPrefix(path string) (value, rest string, found bool) {
	segment, ok := strings.CutPrefix(path, "/")
	if value, rest, found = cutSegment(segment); !ok || !found {
		return "", path, false
	}
	for more := true; more; { // without a copy for each: there may be a hundred thousand
		rest = strings.TrimLeft(rest, slashes)
		_, rest, more = cutSegment(rest)
	}
	return value, "/" + rest, true
}

// cutSegment takes a prefix, but for its slash, off the front of s, and leaves
// s alone if there is none.
func cutSegment(s string) (value, rest string, found bool) {
	inner, ok := cutParen(s, '(')
	if !ok || inner == "" || inner[0] != 'S' {
		return "", s, false
	}
	if inner, ok = cutParen(inner[1:], '('); !ok {
		return "", s, false
	}
	end := strings.IndexByte(inner, '/')
	if end < 0 {
		end = len(inner)
	}
	segment, rest := inner[:end], inner[end:]
	for i := range len(segment) {
		after, ok := cutParen(segment[i:], ')')
		if !ok {
			continue
		}
		if after, ok = cutParen(after, ')'); !ok || after != "" {
			return "", s, false
		}
		return segment[:i], rest, true
	}
	return "", s, false
}

// cutParen takes a parenthesis, escaped or not, off the front of s.
func cutParen(s string, paren byte) (string, bool) {
	if s != "" && s[0] == paren {
		return s[1:], true
	}
	return strings.CutPrefix(s, "%2"+string('8'+paren-'('))
}

// slashes are what browsers take for one.
const slashes = `/\`

// oneSlash returns a path that begins with one slash.
func oneSlash(path string) string { return "/" + strings.TrimLeft(path, slashes) }

// insertPrefix returns a URL path, with query and fragment if it has them,
// with prefix in the place of whatever prefix it has.
func insertPrefix(prefix, ref string) string {
	end := strings.IndexAny(ref, "?#")
	if end < 0 {
		end = len(ref)
	}
	_, rest, found := cutPrefix(ref[:end])
	if prefix == "" && !found {
		return ref
	}
	return prefix + rest + ref[end:]
}

// isLocalPath reports whether browsers take ref for a path of the same site
// that begins at its root.
func isLocalPath(ref string) bool {
	if ref == "" || ref[0] != '/' || len(ref) > 1 && (ref[1] == '/' || ref[1] == '\\') {
		return false
	}
	for i := range len(ref) { // browsers drop some of these, and what then follows a slash is another one
		if ref[i] < ' ' || ref[i] == 0x7f {
			return false
		}
	}
	return true
}

// inside returns where a redirect to location has to go for the client to keep
// its ID, or to lose it: with prefix in front, if location is of this host.
// base is the escaped path and query of the request. moved says that the
// client's URL has another prefix than that.
func inside(location, prefix, host, base string, moved bool) string {
	if isLocalPath(location) {
		return insertPrefix(prefix, location)
	}
	u, err := url.Parse(location)
	if err != nil || u.Opaque != "" || u.User != nil {
		return location
	}
	switch {
	case u.Host != "":
		if u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" || !strings.EqualFold(u.Host, host) {
			return location
		}
		site := strings.TrimSuffix(u.Scheme+":", ":")
		if site != "" {
			site += ":"
		}
		path := u.EscapedPath()
		if path == "" {
			path = "/"
		}
		return site + "//" + u.Host + insertPrefix(prefix, path) + tail(u)
	case u.Scheme != "" || strings.HasPrefix(u.Path, "/") || !moved:
		return location // relative to where the client is, or not ours to understand
	}
	at, err := url.ParseRequestURI(base)
	if err != nil {
		return location
	}
	to := at.ResolveReference(u)
	return insertPrefix(prefix, oneSlash(to.EscapedPath())+tail(to))
}

// tail returns query and fragment of u, as they are in a URL.
func tail(u *url.URL) (s string) {
	if u.RawQuery != "" || u.ForceQuery {
		s = "?" + u.RawQuery
	}
	if u.Fragment != "" {
		s += "#" + u.EscapedFragment()
	}
	return s
}

// escapeTarget makes of a request's target what can stand in a Location
// header: a path, from the root, and a query. What browsers would not take
// literally is escaped.
func escapeTarget(target string) (path, query string) {
	const hex = "0123456789ABCDEF"
	clean := true
	for i := range len(target) {
		clean = clean && !mustEscape(target[i])
	}
	if !clean {
		var b strings.Builder
		for i := range len(target) {
			if c := target[i]; mustEscape(c) {
				b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			} else {
				b.WriteByte(c)
			}
		}
		target = b.String()
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" // "*" of OPTIONS, the host of CONNECT
	}
	if i := strings.IndexByte(target, '?'); i >= 0 {
		return target[:i], target[i:]
	}
	return target, ""
}

func mustEscape(c byte) bool {
	return c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' || c == '#'
}
