// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>

namespace support {

/// Repeats a call that fails with EINTR. On Linux 6.18 EINTR also occurs without a signal: on a thread that has used a
/// ring that is closed now, and while another thread's ring accepts and the descriptor table grows for it.
template <class Call>
auto repeated(Call call) {
    for (;;) {
        const auto answer = call();
        if (answer >= 0 || errno != EINTR) return answer;
    }
}

}  // namespace support
