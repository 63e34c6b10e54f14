// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/sync/notify.hpp>

#include "reply_writer.hpp"

namespace mini_redis {

/// Messages for one client that its connection has not sent yet. The size is bounded, and publishers never wait. A
/// client that exceeds the limit is disconnected, as in Redis (client-output-buffer-limit pubsub): dropping messages
/// would leave the subscriber with an inconsistent view.
class mailbox {
public:
    explicit mailbox(std::size_t limit, protocol version = protocol::resp2) noexcept
        : limit_(limit), version_(version) {}

    /// The encoding of the messages that are posted from now on.
    [[nodiscard]] protocol version() const noexcept { return version_; }
    void use(protocol version) noexcept { version_ = version; }

    /// Appends a message that is encoded for RESP2. For RESP3, replaces its first byte. Returns false if the message
    /// exceeds the limit; the mailbox then accepts no further messages.
    bool post(std::string_view message) {
        if (has_overflowed_) return false;
        if (message.size() > limit_ - waiting_.size()) {
            has_overflowed_ = true;
            overflowed_.notify_one();
            return false;
        }
        waiting_.put(version_ == protocol::resp3 ? ">" : "*");
        waiting_.put(message.substr(1));
        posted_.notify_one();
        return true;
    }
    /// Appends all messages to the replies, and empties the mailbox.
    void take(reply_writer into) {
        into.literal(waiting_.text());
        waiting_ = eddy::bytes_mut();  // frees the memory, which may be large
    }

    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
    [[nodiscard]] bool has_overflowed() const noexcept { return has_overflowed_; }
    /// Return futures that are ready if a message was posted, or if the mailbox overflowed, since the last such wait.
    /// Thread safety: for one task.
    [[nodiscard]] auto posted() noexcept { return posted_.notified(); }
    [[nodiscard]] auto overflowed() noexcept { return overflowed_.notified(); }

private:
    std::size_t limit_;
    protocol version_;
    eddy::bytes_mut waiting_;
    eddy::sync::notify posted_;
    eddy::sync::notify overflowed_;
    bool has_overflowed_ = false;
};

}  // namespace mini_redis
