package nginxtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// writeFiles makes the root folder and the live file.
func (c *Container) writeFiles() error {
	for _, folder := range []string{"dev", "proc", "run", "tmp", "old", "etc/nginx/conf.d", "var/log/nginx", "var/lib/nginx"} {
		if err := os.MkdirAll(filepath.Join(c.Root, folder), 0o755); err != nil {
			return err
		}
	}
	c.Live = c.Root + containerLive
	if c.options.Mount != MountNone {
		c.Live = filepath.Join(c.Dir, "conf.d", "active_upstream.conf")
	}
	if c.options.From != "" {
		c.Live = filepath.Join(c.options.From, "active_upstream.conf")
	} else if err := errors.Join(os.MkdirAll(filepath.Dir(c.Live), 0o755), os.WriteFile(c.Live, []byte(c.options.Live), 0o644)); err != nil {
		return err
	}
	if err := os.Symlink("/dev/stderr", filepath.Join(c.Root, "var/log/nginx/error.log")); err != nil { // as in the images
		return err
	}
	hosts := "127.0.0.1 localhost\n"
	for name, address := range c.options.Names {
		hosts += address + " " + name + "\n"
	}
	files := map[string]string{"hosts": hosts, "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"}
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf"} {
		if text, err := os.ReadFile("/etc/" + name); err == nil {
			files[name] = string(text)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(c.Root, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := c.chooseAddress(); err != nil {
		return err
	}
	if err := c.WriteConf(c.options); err != nil {
		return err
	}
	return GiveAway(c.Root, c.options.User)
}

// GiveAway hands a folder and all that is in it to the user whose container it
// is; 0 is nobody.
func GiveAway(folder string, user int) error {
	if user == 0 {
		return nil
	}
	return filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
}

// chooseAddress finds the port that nginx listens on; in a network of its own
// any will do.
func (c *Container) chooseAddress() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.Addr = listener.Addr().String()
	if !c.options.HostNetwork {
		c.port, c.publish = containerPort, listener
		return nil
	}
	c.port = listener.Addr().(*net.TCPAddr).Port
	return listener.Close()
}

// WriteConf writes the main configuration anew, without loading it.
func (c *Container) WriteConf(o ContainerOptions) error {
	user := ""
	if o.User != 0 {
		user = "user root;\n"
	}
	conf := fmt.Sprintf("%sworker_processes %d;\npid /run/nginx.pid;\nerror_log /var/log/nginx/error.log notice;\n%s\nevents { worker_connections 1024; }\n"+
		"http {\n    access_log off;\n    include /etc/nginx/conf.d/*.conf;\n%s\n"+
		"    server { listen %d; location / { proxy_pass http://myapp; proxy_http_version 1.1; proxy_set_header Connection \"\"; } }\n}\n",
		user, c.Nginx.options.Workers, o.Main, o.HTTP, c.port)
	return os.WriteFile(c.Conf, []byte(conf), 0o644)
}
