// SPDX-License-Identifier: MIT
#include <linux/magic.h>
#include <sys/vfs.h>

#include "sys/open_calls.hpp"

namespace eddy::sys {

bool is_local(int fd) noexcept {
    constexpr unsigned long zfs_magic = 0x2fc12fc1;  // not in <linux/magic.h>
    struct statfs found{};
    if (::fstatfs(fd, &found) != 0) return false;
    switch (static_cast<unsigned long>(found.f_type) & 0xffffffff) {  // negative on 32-bit systems
    case EXT4_SUPER_MAGIC:                                            // ext2 and ext3 have the same
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:  // the root of a container; the layer that is written to is a local one
    case zfs_magic: return true;
    default: return false;  // NFS, SMB, FUSE, and those not known
    }
}

}  // namespace eddy::sys
