// SPDX-License-Identifier: MIT
#pragma once

#include <sys/resource.h>

#include <cstddef>

namespace support {

/// While an instance exists, the process may open as many descriptors as its hard limit allows.
class more_descriptors {
public:
    more_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit raised{before_.rlim_max, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &raised);
    }
    more_descriptors(const more_descriptors&) = delete;
    more_descriptors& operator=(const more_descriptors&) = delete;
    ~more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    /// Returns the number of descriptors that the process may have open now.
    [[nodiscard]] std::size_t limit() const noexcept { return before_.rlim_max; }

private:
    rlimit before_{};
};

}  // namespace support
