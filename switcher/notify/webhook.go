package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/foreign"

	"github.com/hashicorp/go-retryablehttp"
)

// Webhook is a URL that takes the message as JSON. The URL and the headers are
// secrets: chat tools put their key into the path.
type Webhook struct {
	URL     health.URL
	Headers map[string]string
	Unread  error // why some of the headers are not known: then nothing is sent
}

// HeadersLimit is how large a file of headers may be, in bytes.
const HeadersLimit = 64 << 10

// One question takes at most attemptTimeout; it is asked again retries times,
// as long as there is time.
const (
	attemptTimeout = 5 * time.Second
	retries        = 3
	answerLimit    = 64 << 10
)

func client() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = retries, 100*time.Millisecond, 2*time.Second
	c.Backoff = func(least, most time.Duration, attempt int, _ *http.Response) time.Duration {
		return retryablehttp.DefaultBackoff(least, most, attempt, nil) // a Retry-After may be longer than we have
	}
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.HTTPClient.Timeout = attemptTimeout
	c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

func (w Webhook) post(ctx context.Context, m Message) error {
	if w.Unread != nil {
		return w.Unread
	}
	m.Text = foreign.Chat(m.Text)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	headers := canonical(w.Headers)
	headers["Content-Type"] = cmp.Or(headers["Content-Type"], "application/json")
	return ask(ctx, http.MethodPost, w.URL, headers, body)
}

// Take takes in the headers of a file, in place of those it has: `Name: value`
// lines; # begins a comment. It returns the numbers of the lines that are none.
func (w *Webhook) Take(text []byte) (wrong []int) {
	headers := canonical(w.Headers)
	for i, line := range strings.Split(string(text), "\n") {
		name, value, found := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
		case !found, health.ValidateHeader(name, value) != nil:
			wrong = append(wrong, i+1)
		default:
			headers[http.CanonicalHeaderKey(name)] = value
		}
	}
	w.Headers = headers
	return wrong
}

// canonical is a copy in which each header has one name.
func canonical(headers map[string]string) map[string]string {
	names := map[string]string{}
	for name, value := range headers {
		names[http.CanonicalHeaderKey(name)] = value
	}
	return names
}

func ping(ctx context.Context, url health.URL, code int) error {
	return ask(ctx, http.MethodGet, url.Below(strconv.Itoa(code)), nil, nil)
}

// ask is one question, and the same again as client says.
func ask(ctx context.Context, method string, url health.URL, headers map[string]string, body any) error {
	request, err := retryablehttp.NewRequestWithContext(ctx, method, url.Secret(), body)
	if err != nil {
		return errors.New(url.Why(err, attemptTimeout, headers))
	}
	request.Header.Set("User-Agent", "bgswitch")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	request.Host = cmp.Or(headers["Host"], request.Host)
	c := client()
	defer c.HTTPClient.CloseIdleConnections()
	response, err := c.Do(request)
	if err != nil {
		return errors.New(url.Why(err, attemptTimeout, headers))
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerLimit))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
