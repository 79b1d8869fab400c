package switcher_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/release"
)

// schemaOf asks one URL for everything: database, at_least, at_most are fields.
func schemaOf(url string) switcher.Schema {
	asked := health.MustParseURL(url)
	need := switcher.Need{Source: release.Source{URL: asked}, AtLeast: "schema.min", AtMost: "schema.max"}
	return switcher.Schema{
		Database: release.Source{URL: asked, Field: "database"}, Timeout: time.Minute,
		Needs: map[switcher.Color]switcher.Need{switcher.Blue: need, switcher.Green: need},
	}
}

// refusedBecause makes sure that a switch to green is refused, and that nothing of
// what serves was touched; the record says why.
func (s *stand) refusedBecause(why string) (recorded string) {
	s.t.Helper()
	before := s.live()
	_, err := s.to(switcher.Green)
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.Blocked || !strings.Contains(err.Error(), why) {
		s.t.Errorf("error %v, want one of %q", err, why)
	}
	if s.live() != before {
		s.t.Errorf("the live file is another one:\n%s", s.live())
	}
	s.answers(switcher.Blue, 5)
	newest, err := s.State.Newest()
	if err != nil || newest == nil || newest.Outcome != string(switcher.Blocked) || !strings.Contains(string(newest.Error), why) {
		s.t.Fatalf("the record is %+v, %v", newest, err)
	}
	return string(newest.Error)
}

// Whatever a URL answers but versions that fit refuses, and shows no key of the URL.
func TestSchemaOfURL(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	var answer atomic.Value
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answer.Load())
	}))
	t.Cleanup(app.Close)
	const key = "hunter2"
	s.Switcher.Site.Schema = schemaOf(strings.Replace(app.URL, "http://", "http://user:"+key+"@", 1) + "/version?key=" + key)
	for text, why := range map[string]string{
		`{"database": 43, "schema": {"min": 41, "max": 42}}`: "green can live with schema 41 to 42 (http://xxxxx@",
		`{"database": 40, "schema": {"min": 41, "max": 42}}`: ", but the database has 40 (http://xxxxx@",
		`{"schema": {"min": 41, "max": 42}}`:                 "it is unknown whether green can live with the database: http://xxxxx@",
		`{"database": 42, "schema": {"min": 41}}`:            "its answer has no field schema.max",
		`{"database": 42, "schema": {"max": 42}}`:            "its answer has no field schema.min",
		`{"database": null, "schema": {"min": 1, "max": 2}}`: "the field database of its answer is neither text nor a number",
		`{"database": true, "schema": {"min": 1, "max": 2}}`: "the field database of its answer is neither text nor a number",
		`{"database": 42.5e1, "schema": {"min":1,"max":99}}`: `"42.5e1" cannot be compared`,
		key: "its answer is not JSON",
	} {
		answer.Store(text)
		if recorded := s.refusedBecause(why); strings.Contains(recorded, key) {
			t.Errorf("a key is shown: %s", recorded)
		}
	}
	answer.Store(`{"database": 20241130093000, "schema": {"min": "20241130093000", "max": "20241130093000"}}`)
	if _, err := s.to(switcher.Green); err != nil {
		t.Error(err)
	}
	s.answers(switcher.Green, 5)
}

// The database is asked while the target is, and what fails once is asked again.
func TestSchemaIsAskedBesideTheRest(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.Green.Sicken(false) // from here on it is counted who asks
	var asked atomic.Int32
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		if err := nginxtest.Eventually(nginxtest.Patience, func() error {
			if s.Green.Asked() == 0 {
				return errors.New("nobody has asked green")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, `{"database": 1, "schema": {"min": 1, "max": 1}}`)
	}))
	t.Cleanup(app.Close)
	s.Switcher.Site.Schema = schemaOf(app.URL)
	if _, err := s.to(switcher.Green); err != nil {
		t.Error(err)
	}
	if got := asked.Load(); got != 4 {
		t.Errorf("asked %d times, want once for each of three fields, and once more", got)
	}
}
