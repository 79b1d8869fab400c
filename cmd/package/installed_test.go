package main

import (
	"strings"
	"testing"
)

// Installed, upgraded, removed and purged by dpkg: settings are kept until the
// purge, and nothing of ours is left after it.
func TestInstalled(t *testing.T) {
	t.Parallel()
	out := inRoot(t, `
dpkg --purge bgswitch >/dev/null 2>&1
rm -rf /etc/bgswitch /var/lib/bgswitch /var/lib/man-db/auto-update
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/quick # nothing here is to last
all() { find /etc /opt /srv /usr /var -xdev ! -path '/var/lib/dpkg/*' ! -path '/var/lib/apt/*' ! -path '/var/cache/*' ! -path '/var/log/*' | sort; }
mkdir -p /etc/sudoers.d /etc/cron.d
all >/root/before
apt-get install --quiet --yes /mnt/bgswitch_1.0.0_*.deb
bgswitch --version | grep -F 'version 1.0.0 (commit 0123456789ab, 2026-01-02T03:04:06Z)'
test -s /etc/bgswitch/bgswitch.yaml.example
test ! -e /etc/bgswitch/bgswitch.yaml # or the built-in site would not hold any more
test "$(find /etc/systemd -name '*bgswitch*')" = '' # nobody has enabled it
bgswitch settings check --config /etc/bgswitch/bgswitch.yaml.example
echo 'state_dir: /var/lib/bgswitch # mine' >/etc/bgswitch/bgswitch.yaml
echo '# mine' >>/etc/bgswitch/bgswitch.yaml.example
mkdir -p /var/lib/bgswitch/myapp
dpkg --install /mnt/bgswitch_1.0.1_*.deb </dev/null
bgswitch --version | grep -F 'version 1.0.1 '
grep -q mine /etc/bgswitch/bgswitch.yaml
grep -q mine /etc/bgswitch/bgswitch.yaml.example
test -d /var/lib/bgswitch/myapp
dpkg --remove bgswitch
test ! -e /usr/bin/bgswitch
grep -q mine /etc/bgswitch/bgswitch.yaml
grep -q mine /etc/bgswitch/bgswitch.yaml.example
test -d /var/lib/bgswitch/myapp
dpkg --install /mnt/bgswitch_1.0.1_*.deb </dev/null
grep -q mine /etc/bgswitch/bgswitch.yaml
echo '# mine' >/etc/cron.d/bgswitch
bgswitch init --cron --force # the settings are there, and stay
grep -q mine /etc/bgswitch/bgswitch.yaml
grep -q mine /etc/cron.d/bgswitch.old && rm /etc/cron.d/bgswitch.old
sed 1d /etc/cron.d/bgswitch >/etc/sudoers.d/bgswitch # as if by hand
dpkg --purge bgswitch
test -s /etc/sudoers.d/bgswitch
test ! -e /etc/cron.d/bgswitch
rm /etc/sudoers.d/bgswitch
all >/root/after
diff /root/before /root/after
`)
	for _, said := range []string{"bgswitch: removing /etc/bgswitch/bgswitch.yaml", "bgswitch: removing /var/lib/bgswitch", "bgswitch: removing /etc/cron.d/bgswitch", "bgswitch: leaving /etc/sudoers.d/bgswitch: init did not write it"} {
		if strings.Count(out, said+"\n") != 1 {
			t.Errorf("%q is not said once:\n%s", said, out)
		}
	}
}
