// SPDX-License-Identifier: MIT
#include "channels.hpp"

#include <eddy/bytes/bytes_mut.hpp>

#include "reply_writer.hpp"

namespace mini_redis {

std::size_t channels::publish(std::string_view channel, std::string_view message) {
    const auto at = subscribers_.find(channel);
    if (at == subscribers_.end()) return 0;
    eddy::bytes_mut frame;  // encoded once for all subscribers
    reply_writer out(frame);
    out.push(3);
    out.bulk("message");
    out.bulk(channel);
    out.bulk(message);
    std::size_t reached = 0;
    for (mailbox* const each : at->second) reached += each->post(frame.text()) ? 1 : 0;
    return reached;
}

void subscriptions::add(std::string_view channel) {
    if (names_.emplace(channel).second) all_->subscribe(channel, mail_);
}

void subscriptions::remove(std::string_view channel) {
    const auto at = names_.find(channel);
    if (at == names_.end()) return;
    all_->unsubscribe(channel, mail_);
    names_.erase(at);
}

}  // namespace mini_redis
