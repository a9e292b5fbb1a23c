package sqlite

import (
	"strings"
	"testing"
)

func TestNetworkFileSystems(t *testing.T) {
	t.Parallel()
	if err := checkMagic("/data", 0x6969); err == nil || !strings.Contains(err.Error(), "NFS") {
		t.Errorf("NFS: %v", err)
	}
	for name, magic := range map[string]uint32{"ext4": 0xef53, "tmpfs": 0x01021994, "overlay": 0x794c7630} {
		if err := checkMagic("/data", magic); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
