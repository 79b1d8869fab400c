package switcher

import "testing"

// Versions are compared as numbers, part by part; what is none is no answer.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version string
		of      versions
		want    string
	}{
		{"42", versions{"41", "43"}, "yes"},
		{"41", versions{"41", "43"}, "yes"},
		{"43", versions{"41", "43"}, "yes"},
		{"40", versions{"41", "43"}, "no"},
		{"44", versions{"41", "43"}, "no"},
		{"9", versions{"10", ""}, "no"}, // not as texts
		{"0042", versions{"42", "42"}, "yes"},
		{"0", versions{"", "000"}, "yes"},
		{"20241130093000", versions{"20241130092959", ""}, "yes"},
		{"20241130093000", versions{"", "20241130092959"}, "no"},
		{"99999999999999999999999999", versions{"", "99999999999999999999999998"}, "no"}, // longer than any int
		{"1.10", versions{"1.9", "1.10"}, "yes"},
		{"1.9.9", versions{"1.10", ""}, "no"},
		{"2", versions{"2.0", "2.0.0"}, "yes"},
		{"2.0.1", versions{"", "2"}, "no"},
		{"43", versions{"44", "41"}, "no"},
		{"v43", versions{"41", "44"}, "unknown"},
		{"43", versions{"v41", "44"}, "unknown"},
		{"43", versions{"41", "ae1027a6acf"}, "unknown"},
		{"1.", versions{"1", ""}, "unknown"},
		{"-1", versions{"0", ""}, "unknown"},
		{"1e3", versions{"0", ""}, "unknown"},
		{"", versions{"0", ""}, "unknown"},
		{"٤٢", versions{"0", ""}, "unknown"},
	} {
		holds, err := test.of.hold(test.version)
		got := map[bool]string{true: "yes", false: "no"}[holds]
		if err != nil {
			got = "unknown"
		}
		if got != test.want {
			t.Errorf("%s of %s: %s, %v, want %s", test.version, test.of, got, err, test.want)
		}
	}
}
