package main

import "strings"

// nearest is the word that another one is nearly, and how many letters are between
// them; empty: it is like none.
func nearest(word string, words []string) (near string, least int) {
	least = 1 + len(word)/4
	for _, w := range words {
		if away := distance(word, w); away <= least && (near == "" || away < least) {
			near, least = w, away
		}
	}
	return near, least
}

// spelled is a key as ours are: hookTimeout and hook-timeout are hook_timeout.
func spelled(key string) string {
	var b strings.Builder
	for i, r := range key {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		if r == '-' || r == ' ' {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// distance is how many letters are to be put in, left out, exchanged or swapped
// with the next one (the optimal string alignment of two words).
func distance(a, b string) int {
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
