// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>

namespace support {

/// Calls again what was interrupted. Seen without a signal on Linux 6.18, by whoever has used a ring that is closed
/// now, and while another thread's ring accepts, and the table of descriptors grows for it.
template <class Call>
auto repeated(Call call) {
    for (;;) {
        const auto answer = call();
        if (answer >= 0 || errno != EINTR) return answer;
    }
}

}  // namespace support
