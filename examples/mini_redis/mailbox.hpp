// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

#include <eddy/bytes_mut.hpp>
#include <eddy/sync/notify.hpp>

namespace mini_redis {

/// What is published for one client, until its connection sends it: bounded, so that a client that reads nothing costs
/// no more than its limit, and a publisher never waits for it. A client that lags behind by more is disconnected, as
/// Redis does (client-output-buffer-limit pubsub): to drop some of its messages would be to lie to it.
class mailbox {
public:
    explicit mailbox(std::size_t limit) noexcept : limit_(limit) {}

    /// Appends a message. False if the limit does not allow it: then it has overflowed, and takes no further one.
    bool post(std::string_view message) {
        if (has_overflowed_) return false;
        if (message.size() > limit_ - waiting_.size()) {
            has_overflowed_ = true;
            overflowed_.notify_one();
            return false;
        }
        waiting_.put(message);
        posted_.notify_one();
        return true;
    }
    /// Moves what is waiting to the end of `into`.
    void take(eddy::bytes_mut& into) {
        into.put(waiting_.text());
        waiting_ = eddy::bytes_mut();  // it may have been large
    }

    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
    [[nodiscard]] bool has_overflowed() const noexcept { return has_overflowed_; }
    /// Each is ready when that has happened since the last look. For one task.
    [[nodiscard]] auto posted() noexcept { return posted_.notified(); }
    [[nodiscard]] auto overflowed() noexcept { return overflowed_.notified(); }

private:
    std::size_t limit_;
    eddy::bytes_mut waiting_;
    eddy::sync::notify posted_;
    eddy::sync::notify overflowed_;
    bool has_overflowed_ = false;
};

}  // namespace mini_redis
