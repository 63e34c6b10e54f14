// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>

namespace support {

/// Repeats a call that fails with EINTR. On Linux 6.18, EINTR also occurs without a signal, in two cases: the thread
/// has used a ring that is closed now, or the ring of another thread accepts a connection and the kernel enlarges the
/// descriptor table for it.
template <class Call>
auto repeated(Call call) {
    for (;;) {
        const auto answer = call();
        if (answer >= 0 || errno != EINTR) return answer;
    }
}

}  // namespace support
