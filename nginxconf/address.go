package nginxconf

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

const (
	maxHost  = 253 // RFC 1035 2.3.4, without the final dot
	maxLabel = 63  // RFC 1035 2.3.4
	maxPath  = 107 // unix(7): sun_path holds 108 bytes, the last one is NUL

	// httpPort is what nginx takes in an http upstream where none is written
	// (ngx_http_upstream_server, src/http/ngx_http_upstream.c).
	httpPort = 80
)

// Address is one server as nginx writes it: a host name, an IPv4 address or an
// IPv6 address in brackets, each with or without a port, or unix:/path.
// It is made by ParseAddress only and is always in canonical form, so two
// addresses are == when they are written alike. Equal also knows that no port
// means port 80. The zero value is no address.
type Address struct {
	host string // lower case; IPv6 in brackets; empty for a unix socket
	port uint16 // 0 when none was written
	path string // absolute; empty for a host
}

// ParseAddress reads an address by a grammar that is stricter than nginx's, so
// that what it accepts can be written into a file as one plain word. The error
// says what to write instead where there is something.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("cannot read address: %s: %w", quote(s), err)
	}
	return a, nil
}

func parseAddress(s string) (Address, error) {
	if err := checkPlain(s); err != nil {
		return Address{}, err
	}
	if p, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseUnix(p)
	}
	if _, err := parsePort(strings.TrimPrefix(s, ":")); err == nil {
		return Address{}, fmt.Errorf("it is only a port; write it with its host, such as 127.0.0.1:%s", strings.TrimPrefix(s, ":"))
	}
	if !strings.HasPrefix(s, "/") && strings.Contains(s, "/") {
		return Address{}, errors.New("write it without a path, as host:port")
	}
	host, port, err := splitPort(s)
	if err != nil {
		return Address{}, err
	}
	host, err = parseHost(host)
	return Address{host: host, port: port}, err
}

// checkPlain refuses what is a mistake, or an attack, in any kind of address.
func checkPlain(s string) error {
	const forbidden = ";{}\"'\\#$`"
	switch {
	case s == "":
		return errors.New("it is empty")
	case strings.Contains(s, "://"):
		return errors.New("write it without the scheme, as host:port")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("it contains a blank, a control byte or a byte outside ASCII")
	case strings.ContainsAny(s, forbidden):
		return errors.New("it contains one of " + forbidden)
	// nginx takes the prefix in any case (ngx_parse_url, src/core/ngx_inet.c).
	case len(s) >= 5 && strings.EqualFold(s[:5], "unix:") && s[:5] != "unix:":
		return errors.New("write unix: in lower case")
	}
	return nil
}

func parseUnix(p string) (Address, error) {
	switch {
	case !strings.HasPrefix(p, "/"):
		return Address{}, errors.New("a unix socket needs an absolute path, such as unix:/run/app.sock")
	case len(p) > maxPath:
		return Address{}, fmt.Errorf("the path has %d bytes; that of a unix socket has at most %d", len(p), maxPath)
	case p == "/" || path.Clean(p) != p:
		return Address{}, errors.New("the path of a unix socket must have no empty, . or .. parts")
	case strings.ContainsFunc(p, func(r rune) bool { return !isAlnum(byte(r)) && !strings.ContainsRune("/._-+@:,=~%", r) }):
		return Address{}, errors.New("the path of a unix socket may contain only letters, digits and /._-+@:,=~%")
	}
	return Address{path: p}, nil
}

// splitPort cuts the port off, which is 0 where none is written.
func splitPort(s string) (host string, port uint16, err error) {
	colon := strings.LastIndexByte(s, ':')
	if colon < strings.LastIndexByte(s, ']') {
		colon = -1
	}
	if colon < 0 {
		return s, 0, nil
	}
	host, digits := s[:colon], s[colon+1:]
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "", 0, errors.New("an IPv6 address goes in brackets, as in [::1]:3001")
	}
	port, err = parsePort(digits)
	return host, port, err
}

func parsePort(digits string) (uint16, error) {
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || digits[0] == '0' {
		return 0, fmt.Errorf("port %s is not a number from 1 to 65535 without leading zeros", quote(digits))
	}
	return uint16(n), nil
}

// parseHost returns the canonical form of a name or an IP address.
func parseHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return "", errors.New("the bracket is not closed")
		}
		return parseIPv6(inner)
	}
	if endsInNumber(host) {
		return parseIPv4(host)
	}
	return strings.ToLower(host), checkName(host)
}

func parseIPv6(s string) (string, error) {
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil || !ip.Is6():
		return "", fmt.Errorf("%s is not an IPv6 address", quote(s))
	case ip.Zone() != "":
		return "", errors.New("nginx does not support zones in IPv6 addresses")
	case ip.Is4In6():
		return "", fmt.Errorf("write the IPv4 address instead: %s", ip.Unmap())
	case ip.IsUnspecified():
		return "", errors.New("[::] is not an address to connect to; write [::1]")
	}
	return "[" + ip.String() + "]", nil
}

// endsInNumber tells whether the C library may take the host for an IPv4
// address: inet_aton(3) accepts 127.1, 0x7f000001 and 017700000001.
func endsInNumber(host string) bool {
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func parseIPv4(s string) (string, error) {
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not an IPv4 address: four numbers from 0 to 255", quote(s))
	case ip.IsUnspecified():
		return "", errors.New("0.0.0.0 is not an address to connect to; write 127.0.0.1")
	}
	return ip.String(), nil
}

// checkName accepts the names of RFC 1123 2.1, and the underscore, which
// container names have.
func checkName(name string) error {
	if name == "" {
		return errors.New("the host is missing")
	}
	if strings.Contains(name, "@") {
		return errors.New("write it without the user before the @")
	}
	if len(name) > maxHost {
		return fmt.Errorf("the host name has %d bytes, at most %d are allowed", len(name), maxHost)
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("the host name has an empty part")
	case len(label) > maxLabel:
		return fmt.Errorf("a part of the host name has %d bytes, at most %d are allowed", len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a part of the host name begins or ends with a hyphen")
	case strings.ContainsFunc(label, func(r rune) bool { return !isAlnum(byte(r)) && r != '-' && r != '_' }):
		return errors.New("a host name contains only letters, digits, hyphens, underscores and dots")
	}
	return nil
}

func isAlnum(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// String returns the form that is written to the file. A port that was given
// stays, none is added.
func (a Address) String() string {
	switch {
	case a.path != "":
		return "unix:" + a.path
	case a.port == 0:
		return a.host
	}
	return a.host + ":" + strconv.Itoa(int(a.port))
}

// Equal tells whether nginx connects to the same place, in an http upstream.
func (a Address) Equal(b Address) bool {
	a.port, b.port = a.portOrDefault(), b.portOrDefault()
	return a == b
}

// Dial returns the arguments for net.Dial: "tcp" with a port in any case, or
// "unix" with the path.
func (a Address) Dial() (network, address string) {
	if a.path != "" {
		return "unix", a.path
	}
	a.port = a.portOrDefault()
	return "tcp", a.String()
}

func (a Address) portOrDefault() uint16 {
	if a.port == 0 {
		return httpPort
	}
	return a.port
}
