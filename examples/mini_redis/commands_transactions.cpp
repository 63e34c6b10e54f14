// SPDX-License-Identifier: MIT
// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
#include <array>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace mini_redis {
namespace {

outcome multi(call& request) {
    if (request.client.multi.is_open()) {
        request.out.error("ERR MULTI calls can not be nested");
        return {};
    }
    request.client.multi.open();
    request.out.literal("+OK\r\n");
    return {};
}

outcome discard(call& request) {
    if (!request.client.multi.is_open()) {
        request.out.error("ERR DISCARD without MULTI");
        return {};
    }
    request.client.multi.end();
    request.out.literal("+OK\r\n");
    return {};
}

outcome exec(call& request) {
    transaction& multi = request.client.multi;
    if (!multi.is_open()) {
        request.out.error("ERR EXEC without MULTI");
        return {};
    }
    const bool has_failed = multi.has_failed();
    const bool is_outdated = multi.is_outdated(request.keys());
    const auto requests = multi.end();
    if (has_failed) {
        request.out.error("EXECABORT Transaction discarded because of previous errors.");
    } else if (is_outdated) {
        request.out.nil_array();
    } else {
        request.out.array(requests.size());
        for (const auto& each : requests) {
            const std::vector<std::string_view> words(each.begin(), each.end());
            call next{request.server, request.client, request.out, words};
            next.out.use(request.client.version);  // HELLO may be one of the requests
            execute(next);
        }
    }
    return {};
}

outcome watch(call& request) {
    if (request.client.multi.is_open()) {
        request.out.error("ERR WATCH inside MULTI is not allowed");
        return {};
    }
    for (const auto key : request.words.subspan(1)) request.client.multi.watch(key, request.keys());
    request.out.literal("+OK\r\n");
    return {};
}

outcome unwatch(call& request) {
    request.client.multi.unwatch();
    request.out.literal("+OK\r\n");
    return {};
}

using kind = command::kind;
constexpr std::array transactions_table{
    command{"multi", 1, multi, kind::reads, 0, 0, 0, false, true},
    command{"exec", 1, exec, kind::reads, 0, 0, 0, false, true},
    command{"discard", 1, discard, kind::reads, 0, 0, 0, false, true},
    command{"watch", -2, watch, kind::reads, 1, -1, 1, false, true},
    command{"unwatch", 1, unwatch, kind::reads},
};

}  // namespace

std::span<const command> transaction_commands() noexcept { return transactions_table; }

}  // namespace mini_redis
