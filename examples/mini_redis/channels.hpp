// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "mailbox.hpp"
#include "value.hpp"

namespace mini_redis {

/// Maps each channel to the mailboxes of its subscribers.
/// Thread safety: for one event loop.
class channels {
public:
    /// Adds a mailbox to a channel, or removes it from the channel.
    /// Lifetime: unsubscribe the mailbox before it is destroyed.
    void subscribe(std::string_view channel, mailbox& subscriber) {
        subscribers_[std::string(channel)].push_back(&subscriber);
    }
    void unsubscribe(std::string_view channel, mailbox& subscriber) {
        const auto at = subscribers_.find(channel);
        if (at == subscribers_.end()) return;
        std::erase(at->second, &subscriber);
        if (at->second.empty()) subscribers_.erase(at);
    }
    /// Sends `message` to all subscribers. Returns the number of mailboxes that accepted it. The connection of a
    /// mailbox that overflowed disconnects its client.
    std::size_t publish(std::string_view channel, std::string_view message);

    [[nodiscard]] std::size_t size() const noexcept { return subscribers_.size(); }

private:
    text_map<std::vector<mailbox*>> subscribers_;
};

/// The subscriptions of one client. The destructor removes the mailbox from all channels.
class subscriptions {
public:
    subscriptions(channels& all, std::size_t limit, protocol version = protocol::resp2) noexcept
        : all_(&all), mail_(limit, version) {}
    subscriptions(const subscriptions&) = delete;
    subscriptions& operator=(const subscriptions&) = delete;
    ~subscriptions() {
        for (const auto& each : names_) all_->unsubscribe(each, mail_);
    }

    void add(std::string_view channel);
    void remove(std::string_view channel);

    [[nodiscard]] const set& names() const noexcept { return names_; }
    [[nodiscard]] mailbox& mail() noexcept { return mail_; }

private:
    channels* all_;
    mailbox mail_;
    set names_;
};

}  // namespace mini_redis
