package nginxtest

import (
	"errors"
	"os"
	"syscall"
)

// WriteRunnable writes a file that is run afterwards. No process is made
// meanwhile: one that had the file open for writing by inheritance, for a moment,
// would keep it from being run (execve(2), ETXTBSY).
func WriteRunnable(path string, content []byte, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return errors.Join(os.WriteFile(path, content, mode), os.Chmod(path, mode))
}
