package nginxtest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Load is steady traffic through nginx: clients that ask one after the other,
// each the next question as soon as it has the answer, or Pause later.
type Load struct {
	URL       string
	Clients   int
	KeepAlive bool
	Pause     time.Duration // between an answer and the next question

	cancel context.CancelFunc
	done   sync.WaitGroup
	mutex  sync.Mutex
	counts Counts
}

// Counts is what the clients saw.
type Counts struct {
	Requests, Failed int
	FirstFailure     string
	Colors           map[string]int
	Last             map[string]time.Time // when the latest question began that each color answered
}

// Start begins the traffic.
func (l *Load) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.counts = Counts{Colors: map[string]int{}, Last: map[string]time.Time{}}
	for range l.Clients {
		l.done.Go(func() { l.client(ctx) })
	}
}

// Stop ends the traffic and returns what was seen.
func (l *Load) Stop() Counts {
	l.cancel()
	l.done.Wait()
	return l.counts
}

// Seen is what was seen so far.
func (l *Load) Seen() Counts {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	seen := l.counts
	seen.Colors, seen.Last = map[string]int{}, map[string]time.Time{}
	for color, n := range l.counts.Colors {
		seen.Colors[color], seen.Last[color] = n, l.counts.Last[color]
	}
	return seen
}

func (l *Load) client(ctx context.Context) {
	transport := &http.Transport{DisableKeepAlives: !l.KeepAlive, MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: Patience}
	for ctx.Err() == nil {
		began := time.Now()
		color, failure := ask(ctx, client, l.URL)
		if ctx.Err() != nil {
			return
		}
		l.count(began, color, failure)
		time.Sleep(l.Pause)
	}
}

func ask(ctx context.Context, client *http.Client, url string) (color, failure string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err.Error()
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "", err.Error()
	case response.StatusCode != http.StatusOK:
		return "", response.Status
	}
	return strings.TrimSpace(string(body)), ""
}

func (l *Load) count(began time.Time, color, failure string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.counts.Requests++
	if failure != "" {
		l.counts.Failed++
		if l.counts.FirstFailure == "" {
			l.counts.FirstFailure = failure
		}
		return
	}
	l.counts.Colors[color]++
	if began.After(l.counts.Last[color]) { // answers come in another order than questions
		l.counts.Last[color] = began
	}
}

// Answers asks n times, each on a fresh connection, and counts the colors; an
// error counts under its text.
func Answers(url string, n int) map[string]int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: Patience}
	counts := map[string]int{}
	for range n {
		color, failure := ask(context.Background(), client, url)
		counts[color+failure]++
	}
	return counts
}
