// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::sys {

/// The descriptors of a bell: see signals.cpp. A signal handler writes 8 bytes to write_end(), and
/// read_end is then readable.
struct bell_ends {
    unique_fd read_end;
    unique_fd owned_write_end;  // empty if both ends are the same descriptor

    [[nodiscard]] int write_end() const noexcept { return owned_write_end ? owned_write_end.get() : read_end.get(); }
};

/// Creates the descriptors of a bell: an eventfd(2) on Linux, else a pipe(2).
/// Errors: what those calls report.
[[nodiscard]] result<bell_ends> make_bell_ends() noexcept;

}  // namespace eddy::sys
