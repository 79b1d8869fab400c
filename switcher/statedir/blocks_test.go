package statedir

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/nginxconf"
)

func blockOf(color nginxconf.Color, reason string, until time.Time) Block {
	return Block{Color: color, Reason: Text(reason), Signature: Signature{Who: "alice", Host: "web1", Time: time.Now()}, Until: Moment{until}}
}

func (f Folder) addBlock(t *testing.T, b Block) error {
	t.Helper()
	return f.ChangeBlocks(t.Context(), func(all []Block) ([]Block, error) { return append([]Block{b}, all...), nil })
}

// A block holds until it is lifted or its time is over, and no longer.
func TestBlockHolds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		block Block
		want  bool
	}{
		"for ever":           {blockOf(nginxconf.Blue, "r", time.Time{}), true},
		"until later":        {blockOf(nginxconf.Blue, "r", now.Add(time.Second)), true},
		"until this moment":  {blockOf(nginxconf.Blue, "r", now), false},
		"until before":       {blockOf(nginxconf.Blue, "r", now.Add(-time.Second)), false},
		"lifted":             {Block{Lifted: &Signature{}}, false},
		"lifted before then": {Block{Lifted: &Signature{}, Until: Moment{now.Add(time.Hour)}}, false},
	} {
		if got := test.block.Holds(now); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Those who block at the same time lose none.
func TestBlocksSideBySide(t *testing.T) {
	t.Parallel()
	f := folder(t)
	const n = 8
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := f.addBlock(t, blockOf(nginxconf.Green, fmt.Sprint(i), time.Time{})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := f.Blocks()
	if err != nil || len(got) != n {
		t.Errorf("%d blocks, %v", len(got), err)
	}
}

// The history of blocks is bounded, and what holds is never cut off.
func TestBlocksAreBounded(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, f.addBlock(t, blockOf(nginxconf.Blue, "holds", time.Time{})))
	over := blockOf(nginxconf.Blue, strings.Repeat("x", ReasonLimit), time.Now().Add(-time.Hour))
	must(t, f.ChangeBlocks(t.Context(), func(all []Block) ([]Block, error) {
		for range 3 * keptBlocks {
			all = append([]Block{over}, all...)
		}
		return all, nil
	}))
	got, err := f.Blocks()
	must(t, err)
	if len(got) != keptBlocks+1 || got[keptBlocks].Reason != "holds" {
		t.Errorf("%d blocks are kept, the last: %q", len(got), got[len(got)-1].Reason)
	}
	err = f.ChangeBlocks(t.Context(), func([]Block) ([]Block, error) {
		var all []Block
		for range keptBlocks + 1 {
			all = append(all, blockOf(nginxconf.Green, "holds", time.Time{}))
		}
		return all, nil
	})
	if err == nil {
		t.Error("more blocks hold than are kept")
	}
	if now, err := f.Blocks(); err != nil || len(now) != len(got) {
		t.Errorf("a change that was refused left %d blocks, %v", len(now), err)
	}
}

// What is not wholly understood is an error, and nothing is written over it.
func TestBlocksThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "torn": `{"schema": 1, "blocks": [{"color": "bl`, "null": "null", "another version": `{"schema": 2, "blocks": []}`, "no object": "[]",
		"no color": `{"schema": 1, "blocks": [{"color": null, "reason": "r", "time": "2026-11-30T01:09:18Z"}]}`,
		"no time":  `{"schema": 1, "blocks": [{"color": "blue", "reason": "r"}]}`,
		"too long": `{"schema": 1, "blocks": []` + strings.Repeat(" ", loadLimit) + "}",
		"more":     `{"schema": 1, "blocks": []} {}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, errors.Join(f.Create(), os.WriteFile(f.BlocksPath(), []byte(text), 0o600)))
			if got, err := f.Blocks(); err == nil || len(got) > 0 {
				t.Errorf("%v is read", got)
			}
			if err := f.addBlock(t, blockOf(nginxconf.Blue, "r", time.Time{})); err == nil {
				t.Error("it is written over")
			}
			if now, _ := os.ReadFile(f.BlocksPath()); string(now) != text {
				t.Errorf("%.80q stands there", now)
			}
		})
	}
}
