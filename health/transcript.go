package health

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Exchange is one attempt as it went. It holds no secret; what came is the
// other side's text, and not fit to be shown as it is.
type Exchange struct {
	Number int      // of the attempt, from 1
	Peer   string   // the address that was connected to; empty: none was
	Sent   []string // the request's line and headers; nil: nothing was sent
	Came   []string // the status line and headers as they came, those of 1xx too; nil: no answer did
	Body   string   // its beginning, or that of what came and is no HTTP
	Bytes  int      // how much of that was read
	Took   time.Duration
	Good   bool
	Reason string // the answer in words
}

// Page is what came, as far as it was taken down. The zero value: no answer did.
func (e Exchange) Page() (p Page) {
	for _, line := range e.Came {
		if head, value, is := strings.Cut(line, ":"); is {
			p.Header.Add(head, strings.TrimSpace(value))
		} else if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(line, "HTTP/") {
			p.Status, _ = strconv.Atoi(fields[1])
			p.Header = http.Header{} // those before were a 1xx's
		}
	}
	p.Body, p.Took = []byte(e.Body), e.Took
	return p
}

// How much of a transcript is kept: attempts, the newest of them, and of each
// answer so many bytes.
const (
	exchangesKept = 20
	headShown     = 4 << 10
	bodyShown     = 1 << 10
)

// wire is what went over one connection: its beginning, in both directions.
type wire struct {
	lock       sync.Mutex
	peer       string
	sent, came []byte
}

type wireKey struct{}

// onWire has what is dialed with this context taken down.
func onWire(ctx context.Context) (context.Context, *wire) {
	w := &wire{}
	return context.WithValue(ctx, wireKey{}, w), w
}

// tapped takes a connection down, where that is asked for.
func tapped(ctx context.Context, conn net.Conn) net.Conn {
	w, asked := ctx.Value(wireKey{}).(*wire)
	if !asked {
		return conn
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	w.peer = conn.RemoteAddr().String()
	return tap{conn, w}
}

type tap struct {
	net.Conn
	wire *wire
}

func (t tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.wire.keep(&t.wire.came, b[:n])
	return n, err
}

// Write takes it down first: the answer may be there before Write has returned.
func (t tap) Write(b []byte) (int, error) {
	t.wire.keep(&t.wire.sent, b)
	return t.Conn.Write(b)
}

// keep keeps what is needed to find the headers that most allows.
func (w *wire) keep(into *[]byte, b []byte) {
	w.lock.Lock()
	defer w.lock.Unlock()
	*into = append(*into, b[:min(len(b), 2*most-len(*into))]...)
}

// transcribe keeps the attempt that was just judged.
func (p *probe) transcribe(good bool, page Page) {
	if p.wire == nil {
		return
	}
	p.wire.lock.Lock()
	defer p.wire.lock.Unlock()
	e := Exchange{Number: p.attempts, Peer: p.wire.peer, Took: page.Took, Good: good, Reason: p.reason}
	e.Sent = p.sent(p.wire.sent)
	body := page.Body
	if page.Status == 0 {
		body = p.wire.came
	} else if p.check.Type == TypeHTTP {
		e.Came = p.came(p.wire.came)
	}
	e.Bytes, e.Body = len(body), beginning(p.secrets.hide(string(body)), bodyShown)
	if p.exchanges = append(p.exchanges, e); len(p.exchanges) > exchangesKept {
		p.exchanges = p.exchanges[1:]
	}
}

// sent are the lines of a request, without what is secret.
func (p *probe) sent(raw []byte) []string {
	if len(raw) == 0 {
		return nil
	}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	lines[0] = http.MethodGet + " " + shown(*p.place.url).RequestURI() + " HTTP/1.1"
	for i, line := range lines[1:] {
		name, _, _ := strings.Cut(line, ": ")
		if name == "Authorization" || p.sets(name) {
			lines[i+1] = name + ": " + Hidden
		}
	}
	return lines
}

// sets says whether a header is one of the settings'.
func (p *probe) sets(name string) bool {
	for set := range p.check.Headers {
		if strings.EqualFold(set, name) {
			return true
		}
	}
	return false
}

// came are the lines before an answer's body, those of the 1xx before it, too
// (RFC 9110, section 15.2).
func (p *probe) came(raw []byte) (lines []string) {
	rest, left := strings.ReplaceAll(string(raw), "\r\n", "\n"), headShown
	for interim := true; interim; {
		var head string
		head, rest, _ = strings.Cut(rest, "\n\n")
		interim = len(head) > 9 && head[9] == '1' && rest != ""
		for line := range strings.SplitSeq(head, "\n") {
			if line = beginning(p.secrets.hide(plainLocation(line)), left); line != "" {
				lines = append(lines, line)
			}
			left -= len(line)
		}
	}
	return lines
}

// plainLocation leaves out of a redirect what may be a key.
func plainLocation(line string) string {
	name, to, _ := strings.Cut(line, ":")
	if !strings.EqualFold(name, "Location") {
		return line
	}
	return name + ": " + shownLocation(strings.TrimSpace(to))
}

// beginning cuts a text, and no character in the middle.
func beginning(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:max(limit, 0)], "")
}
