package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeTree writes n server blocks, one file each as below sites-enabled, and
// returns what includes them. They share one unix socket, since ports come
// from the kernel.
func writeTree(dir string, n int) (include string, err error) {
	if n == 0 {
		return "", nil
	}
	tree := filepath.Join(dir, "sites")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return "", err
	}
	for i := range n {
		block := fmt.Sprintf("server {\n    listen unix:%s/sites.sock;\n    server_name site%d.example;\n    location / {\n        proxy_pass http://myapp;\n        proxy_set_header Host $host;\n    }\n}\n", dir, i)
		if err := os.WriteFile(filepath.Join(tree, fmt.Sprintf("site%d.conf", i)), []byte(block), 0o644); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("    server_names_hash_max_size 65536;\n    include %s/*.conf;\n", tree), nil
}
