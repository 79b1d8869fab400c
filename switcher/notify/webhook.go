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
	"bgswitch/switcher/trust"

	"github.com/hashicorp/go-retryablehttp"
)

// Webhook is a URL that takes the message as JSON. The URL and the headers are
// secrets: chat tools put their key into the path.
type Webhook struct {
	URL         health.URL
	Headers     map[string]string
	HeadersFile string // `Name: value` lines, read anew each time; # begins a comment
}

// One question takes at most attemptTimeout; it is asked again retries times,
// as long as there is time.
const (
	attemptTimeout = 5 * time.Second
	retries        = 3
	answerLimit    = 64 << 10
	headersLimit   = 64 << 10
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

func (w Webhook) post(ctx context.Context, m Message, judge trust.Judge) error {
	m.Text = foreign.Chat(m.Text)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	headers, err := w.headers(judge)
	if err != nil {
		return err
	}
	headers["Content-Type"] = cmp.Or(headers["Content-Type"], "application/json")
	return ask(ctx, http.MethodPost, w.URL, headers, body)
}

// headers are those of the settings, and those of the file in their place.
func (w Webhook) headers(judge trust.Judge) (map[string]string, error) {
	headers := map[string]string{}
	for name, value := range w.Headers {
		headers[http.CanonicalHeaderKey(name)] = value
	}
	if w.HeadersFile == "" {
		return headers, nil
	}
	text, err := judge.Read(w.HeadersFile, headersLimit)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
		case health.ValidateHeader(name, value) != nil: // a line without a name is all value
			return nil, fmt.Errorf("%s:%d: a header is written `Name: value`", w.HeadersFile, i+1)
		default:
			headers[http.CanonicalHeaderKey(name)] = value
		}
	}
	return headers, nil
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
