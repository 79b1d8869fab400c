package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher/rightstest"
)

// A new user's first minute: nginx and two apps are there, and three commands
// later green is live, and proved to be.
func TestThreeCommands(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
		rightstest.Without(t, "nginx as root has installed it")
	}
	out := inRoot(t, newServer+`
date +%s.%N
apt-get install --quiet --yes /mnt/bgswitch_1.0.0_*.deb
bgswitch init
bgswitch to green
date +%s.%N
`)
	if !regexp.MustCompile(`(?m)^green is live, blue is idle \(.*proved by identity\)$`).MatchString(out) {
		t.Error("no switch is proved by identity")
	}
	times := regexp.MustCompile(`(?m)^\d{10}\.\d+$`).FindAllString(out, -1)
	if len(times) != 2 {
		t.Fatalf("%s", out)
	}
	took := seconds(t, times[1]) - seconds(t, times[0])
	t.Logf("from the package to a proved switch: %v", took)
	if t.Failed() || took > time.Minute {
		t.Errorf("%v:\n%s", took, out)
	}
}

func seconds(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(strings.TrimLeft(text, "0") + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// newServer has nginx before two apps, as the origin page does.
const newServer = `
dpkg --purge bgswitch >/dev/null 2>&1
rm -rf /etc/bgswitch /var/lib/bgswitch /etc/nginx /var/lib/man-db/auto-update
mkdir -p /etc/nginx/conf.d /var/log/nginx /var/lib/nginx
cat >/etc/nginx/nginx.conf <<'END'
user nobody nogroup;
pid /run/nginx.pid;
events {}
http {
    include /etc/nginx/conf.d/*.conf;
}
END
cat >/etc/nginx/conf.d/active_upstream.conf <<'END'
upstream myapp {
    server 127.0.0.1:3001;   # 3001 = blue (old), 3002 = green (new)
}
END
cat >/etc/nginx/conf.d/myapp.conf <<'END'
server {
    listen 80;
    location / { proxy_pass http://myapp; }
}
END
` + "BGSWITCH_TEST_APPS=/run/apps /mnt/apps &" + `
until test -e /run/apps; do :; done
nginx
`
