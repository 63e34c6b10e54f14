// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/error.hpp>

namespace support {

/// An error type that converts to std::error_code (errc::timed_out), as time::elapsed does.
struct convertible_error {
    [[nodiscard]] std::error_code to_error_code() const { return eddy::errc::timed_out; }
};

}  // namespace support
