// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

/// Blocks signals in the calling thread for its lifetime. A thread of the library that is started meanwhile receives
/// none: it must not take one for which the program waits. It does not block the signals of faults, so that a crash of
/// this thread calls its handler. On Windows, it does nothing.
class EDDY_API blocked_signals : immovable {
public:
    blocked_signals() noexcept;
    ~blocked_signals();

private:
    alignas(std::max_align_t) std::array<std::byte, 128> before_;  // a sigset_t
};

}  // namespace eddy::detail
