// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/error.hpp>

namespace eddy::sync {

/// Why a receiver got no value: the senders are gone, or it was closed, and nothing more will come.
/// `try_` makes `errc::channel_closed` of it.
class recv_error {
public:
    recv_error() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::channel_closed; }

    friend bool operator==(recv_error, recv_error) noexcept { return true; }
};

/// Why a `try_recv` got no value.
enum class try_recv_error {
    empty,   ///< nothing has come yet
    closed,  ///< nothing more will come
};

}  // namespace eddy::sync
