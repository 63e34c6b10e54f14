// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// Delays accepting for 50 ms after the process has run out of descriptors or memory, so that accept loops do not spin.
/// Thread safety: one thread at a time.
class EDDY_API accept_pause {
public:
    /// Returns ready if there is no pause. Otherwise wakes the task of the last caller when the pause ends. `future`
    /// identifies the caller for leave().
    poll_result<void> poll(context& cx, const wait_record* future) {
        if (!until_) return poll_result<void>::ready();
        return poll_end(cx, future);
    }
    /// Begins a pause if `error`, from a failed accept, says that descriptors or memory are exhausted.
    void begin_if_exhausted(const std::error_code& error) noexcept;
    /// Removes the waker of `future`, if it was the last caller of poll(). The pause itself continues.
    void leave(const wait_record* future) noexcept {
        if (for_ == future) sleep_.reset();
    }

private:
    poll_result<void> poll_end(context& cx, const wait_record* future);

    std::optional<time::time_point> until_;      // the end of the pause
    const wait_record* for_ = nullptr;           // the last caller of poll(): compared, never dereferenced
    std::unique_ptr<time::sleep_future> sleep_;  // holds the waker of that caller
};

}  // namespace eddy::detail
