module bgswitch

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/tufanbarisyildirim/gonginx v0.0.0-20260220081509-8e17ce617db3
)
