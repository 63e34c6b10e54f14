// SPDX-License-Identifier: MIT
// PUBLISH, SUBSCRIBE, UNSUBSCRIBE.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "command.hpp"

namespace mini_redis {
namespace {

outcome publish(call& request) {
    const auto reached = request.server.topics.publish(request.word(1), request.word(2));
    // In RESP3 a subscriber may publish. As in Redis, it receives its own message before the reply.
    if (request.client.subscribed) request.client.subscribed->mail().take(request.out);
    request.out.integer(static_cast<std::int64_t>(reached));
    return {};
}

std::int64_t count_of(const client_state& client) {
    return client.subscribed ? static_cast<std::int64_t>(client.subscribed->names().size()) : 0;
}

outcome subscribe(call& request) {
    client_state& client = request.client;
    if (!client.subscribed)
        client.subscribed.emplace(request.server.topics, request.server.limits.subscriber, client.version);
    for (const auto channel : request.words.subspan(1)) {
        client.subscribed->add(channel);
        request.out.push(3);
        request.out.bulk("subscribe");
        request.out.bulk(channel);
        request.out.integer(count_of(client));
    }
    return {};
}

void leave(call& request, std::string_view channel) {
    if (request.client.subscribed) request.client.subscribed->remove(channel);
    request.out.push(3);
    request.out.bulk("unsubscribe");
    request.out.bulk(channel);
    request.out.integer(count_of(request.client));
}

void leave_all(call& request) {
    if (count_of(request.client) == 0) {
        request.out.push(3);
        request.out.bulk("unsubscribe");
        request.out.nil();
        request.out.integer(0);
        return;
    }
    const std::vector<std::string> names(request.client.subscribed->names().begin(),
                                         request.client.subscribed->names().end());
    for (const auto& each : names) leave(request, each);
}

outcome unsubscribe(call& request) {
    if (request.words.size() == 1) leave_all(request);
    for (const auto channel : request.words.subspan(1)) leave(request, channel);
    return {};
}

using kind = command::kind;
constexpr std::array channels_table{
    command{"publish", 3, publish, kind::reads},
    command{"subscribe", -2, subscribe, kind::reads, 0, 0, 0, true},
    command{"unsubscribe", -1, unsubscribe, kind::reads, 0, 0, 0, true},
};

}  // namespace

std::span<const command> channel_commands() noexcept { return channels_table; }

}  // namespace mini_redis
