package inside

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// name is the whole command line of the sealed copy.
const name = "bgswitch-inside"

// seals are those that make a copy one that nobody can change any more, not even
// whoever gets hold of it (fcntl(2), F_ADD_SEALS).
const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// sealedCopy is a copy of our executable, in memory. It is the only thing of
// ours that a container could ever reach: an executable on disk can be
// overwritten by whoever keeps a descriptor of it (CVE-2019-5736). It is made
// once, and only for root to read.
var sealedCopy = sync.OnceValues(makeCopy)

func makeCopy() (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 all of them may be run
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot copy ourselves: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if err := errors.Join(fill(fd), unix.Fchmod(fd, 0o111), seal(fd)); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot copy ourselves: %w", err), file.Close())
	}
	return file, nil
}

func fill(fd int) error {
	ours, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer ours.Close()
	for {
		n, err := unix.Sendfile(fd, int(ours.Fd()), nil, 1<<30)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err == nil && n == 0 {
			return nil
		}
	}
}

func seal(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	return err
}

// sealed says that this process is a sealed copy.
func sealed() bool {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer exe.Close()
	has, err := unix.FcntlInt(exe.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && has&seals == seals
}
