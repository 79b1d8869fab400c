package nginxconf

// Directive returns the arguments of the last simple statement of that name at
// the top level, nil when there is none. Includes are not followed. The error
// is a *Refusal.
func Directive(src []byte, name string) ([]string, error) {
	all, err := readStatements(src)
	if err != nil {
		return nil, err
	}
	return lastArgs(all, name), nil
}

// BlockDirective does the same one level down, in the blocks of that name at
// the top level, as in BlockDirective(src, "events", "worker_connections").
func BlockDirective(src []byte, block, name string) ([]string, error) {
	all, err := readStatements(src)
	if err != nil {
		return nil, err
	}
	var inside []statement
	for _, s := range all {
		if s.name() == block {
			inside = append(inside, s.block...)
		}
	}
	return lastArgs(inside, name), nil
}

func lastArgs(all []statement, name string) []string {
	var last []string
	for _, s := range all {
		if s.is(name) {
			last = values(s.args())
		}
	}
	return last
}

func values(words []word) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = w.value
	}
	return all
}
