package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// entry is a file in a package.
type entry struct {
	mode fs.FileMode
	date time.Time
	text string
}

// entriesOf are the files that a package installs, by their paths without a /
// before them.
func entriesOf(t *testing.T, path, format string) map[string]entry {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]func([]byte) (map[string]entry, error){"deb": debEntries, "rpm": rpmEntries, "apk": tarEntries}[format]
	entries, err := read(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return entries
}

// debEntries: an ar archive (deb(5)), whose third member is a tar archive.
func debEntries(text []byte) (map[string]entry, error) {
	text = bytes.TrimPrefix(text, []byte("!<arch>\n"))
	for len(text) > 60 {
		size, err := strconv.Atoi(strings.TrimSpace(string(text[48:58])))
		if err != nil {
			return nil, err
		}
		name, body := string(text[:16]), text[60:60+size]
		if strings.HasPrefix(name, "data.tar.gz") {
			return tarEntries(body)
		}
		text = text[60+size+size%2:]
	}
	return nil, errors.New("it holds no data.tar.gz")
}

// tarEntries are also those of an apk: gzip reads its three archives as one.
func tarEntries(text []byte) (map[string]entry, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	entries := map[string]entry{}
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return entries, nil
		} else if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		name := strings.Trim(strings.TrimPrefix(header.Name, "."), "/")
		if header.Uid != 0 || header.Gid != 0 {
			return nil, fmt.Errorf("%s belongs to %d", name, header.Uid)
		}
		if header.Typeflag == tar.TypeReg && !strings.HasPrefix(header.Name, ".P") && !strings.HasPrefix(header.Name, ".p") {
			entries[name] = entry{fs.FileMode(header.Mode).Perm(), header.ModTime.UTC(), string(body)}
		}
	}
}

// rpmEntries: a lead of 96 bytes, two headers, and a cpio archive in its newc
// format (cpio(5)).
func rpmEntries(text []byte) (map[string]entry, error) {
	at := 96
	for range 2 {
		if !bytes.HasPrefix(text[at:], []byte{0x8e, 0xad, 0xe8, 1}) {
			return nil, fmt.Errorf("no header at %d", at)
		}
		at = (at + 7) / 8 * 8
		at += 16 + 16*int(binary.BigEndian.Uint32(text[at+8:])) + int(binary.BigEndian.Uint32(text[at+12:]))
		if at%8 != 0 && bytes.HasPrefix(text[(at+7)/8*8:], []byte{0x8e, 0xad, 0xe8, 1}) {
			at = (at + 7) / 8 * 8
		}
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(text[at:]))
	if err != nil {
		return nil, err
	}
	archive, entries := bufio.NewReader(unpacked), map[string]entry{}
	for {
		header := make([]byte, 110)
		if _, err := io.ReadFull(archive, header); err != nil {
			return nil, err
		}
		field := func(n int) int64 {
			value, _ := strconv.ParseInt(string(header[6+8*n:14+8*n]), 16, 64)
			return value
		}
		read := func(size, with int64) string { // padded to four bytes, with what stands before
			text := make([]byte, size+(4-(size+with)%4)%4)
			_, _ = io.ReadFull(archive, text)
			return string(text[:size])
		}
		name := strings.Trim(read(field(11), 110), "./\x00")
		if name == "TRAILER!!!" {
			return entries, nil
		}
		body := read(field(6), 0)
		if mode := field(1); mode&0o170000 == 0o100000 {
			entries[name] = entry{fs.FileMode(mode).Perm(), time.Unix(field(5), 0).UTC(), body}
		}
	}
}
