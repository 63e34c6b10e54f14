// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// While accepting is pointless, since no descriptors are left: until when, who waits for that, and with what (R012).
class EDDY_API accept_pause {
public:
    /// Whether a connection may be asked for; else `future`, by which leave() knows it, is woken when it may.
    poll_result<void> poll(context& cx, const void* future) {
        if (!until_) return poll_result<void>::ready();
        return poll_end(cx, future);
    }
    /// What an accept has failed with: a lack of descriptors or memory begins a pause.
    void begin_if_exhausted(const std::error_code& error) noexcept;
    void leave(const void* future) noexcept {
        if (for_ == future) sleep_.reset();
    }

private:
    poll_result<void> poll_end(context& cx, const void* future);

    std::optional<time::time_point> until_;
    const void* for_ = nullptr;
    std::unique_ptr<time::sleep_future> sleep_;
};

}  // namespace eddy::detail
