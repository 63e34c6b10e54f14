// SPDX-License-Identifier: MIT
// Windows reports changes below a directory to a completion port only, which the event loop does not share.
#include "sys/changes.hpp"

#include <expected>

#include <eddy/fs/error.hpp>

namespace eddy::sys {

result<std::shared_ptr<change_queue>> make_change_queue() {
    return std::unexpected(make_error_code(fs::errc::unwatchable));
}

}  // namespace eddy::sys
