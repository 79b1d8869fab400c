package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Webhook is a URL that takes the message as JSON. The URL and the headers are
// secrets: chat tools put their key into the path.
type Webhook struct {
	URL         string
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

func (w Webhook) post(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if err := w.setHeaders(request.Header); err != nil {
		return err
	}
	return do(request)
}

func (w Webhook) setHeaders(into http.Header) error {
	for name, value := range w.Headers {
		into.Set(name, value)
	}
	if w.HeadersFile == "" {
		return nil
	}
	text, err := readHeaders(w.HeadersFile)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(text), "\n") {
		name, value, ok := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
		case !ok:
			return fmt.Errorf("%s:%d: a header is written `Name: value`", w.HeadersFile, i+1)
		default:
			into.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return nil
}

// readHeaders waits for no FIFO.
func readHeaders(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > headersLimit) {
		err = fmt.Errorf("%s: a regular file of at most 64 KiB is needed", path)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, headersLimit))
}

func ping(ctx context.Context, address string, code int) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return withoutURL(err)
	}
	target := parsed.JoinPath(strconv.Itoa(code)).String()
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return withoutURL(err)
	}
	return do(request)
}

func do(request *retryablehttp.Request) error {
	request.Header.Set("User-Agent", "bgswitch")
	c := client()
	defer c.HTTPClient.CloseIdleConnections()
	response, err := c.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerLimit))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// withoutURL leaves out the URL that net/http puts into its errors.
func withoutURL(err error) error {
	var in *url.Error
	for errors.As(err, &in) {
		err = in.Err
	}
	return err
}

// hostOf is what of a URL may be shown.
func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return "no URL"
	}
	return parsed.Host
}
