package nginx

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// manySites is a tree of 5,000 sites behind the odd one's upstream.
func manySites(b *testing.B) *Nginx {
	dir := b.TempDir()
	n := plant(b, dir)
	if err := os.Mkdir(filepath.Join(dir, "many"), 0o755); err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(dir, "conf.d/many.conf"), "server_names_hash_max_size 32768; include many/*;")
	const site = `# site %[1]d
server {
    listen unix:%[2]s/many.sock;
    server_name site%[1]d.test www.site%[1]d.test;
    location / {
        proxy_pass http://app;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
    location /static/ { root /srv/site%[1]d; expires 1h; }
}
`
	for i := range 5000 {
		write(b, filepath.Join(dir, "many", fmt.Sprint(i)), fmt.Sprintf(site, i, dir))
	}
	return n
}

func BenchmarkManySites(b *testing.B) {
	n := manySites(b)
	folder := filepath.Dir(n.Conf)
	live, content := folder+"/conf.d/app.conf", []byte(odd(folder)["conf.d/app.conf"])
	tested, err := n.TestAsIs(b.Context(), nil)
	if err != nil || tested.Dump == nil {
		b.Fatal(err)
	}
	d := tested.Dump
	for _, c := range []struct {
		name string
		run  func() bool
	}{
		{"nginx -t", func() bool { return exec.Command(n.Binary, "-t", "-q", "-c", n.Conf, "-p", n.Prefix).Run() == nil }},
		{"TestAsIs", func() bool { tested, err := n.TestAsIs(b.Context(), nil); return err == nil && tested.Dump != nil }},
		{"Reads", func() bool { return d.Reads(live, content) }},
		{"Reads, not there", func() bool { return !d.Reads(live+"x", content) }},
		{"PassesTo and Workers", func() bool {
			_, sure := d.PassesTo("no such upstream") // so that every file is read
			_, known := d.Workers()
			return sure && known
		}},
		{"ChangedSince", func() bool { return len(d.ChangedSince(time.Now(), live)) == 0 }},
		{"ChangedSince, all", func() bool { return len(d.ChangedSince(time.Time{}, live)) > 5000 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if !c.run() {
					b.Fatal("it failed")
				}
			}
		})
	}
}
