package main

import (
	"errors"
	"fmt"
	"os"

	"bgswitch/switcher/trust"
)

// trustSettings names what others may write of the settings: they say which
// programs run. Behind sudo, settings that are not root's are refused: they
// would let anyone who may type bgswitch run what he likes as root.
func (t *terminal) trustSettings(path string, strict bool) error {
	doubts := trust.Doubts(path)
	if len(doubts) == 0 {
		return nil
	}
	if strict || behindSudo() {
		return &hinted{
			fmt.Errorf("cannot trust the settings: %w", errors.New(doubts[0])),
			"take the right away: `chown root`, `chmod go-w`",
		}
	}
	for _, doubt := range doubts {
		t.say(doubt + ": who may write the settings decides what runs")
	}
	return nil
}

func behindSudo() bool {
	behind := os.Getenv("SUDO_UID")
	return os.Geteuid() == 0 && behind != "" && behind != "0"
}
