// SPDX-License-Identifier: MIT
// DEL, EXISTS, EXPIRE, TTL, DBSIZE, FLUSHALL.
#include <array>
#include <chrono>
#include <cstdint>

#include "command.hpp"
#include "expiry.hpp"
#include "numbers.hpp"

namespace mini_redis {
namespace {

outcome del(call& request) {
    std::int64_t erased = 0;
    for (const auto key : request.words.subspan(1)) erased += request.keys().erase(key) ? 1 : 0;
    request.out.integer(erased);
    return {};
}

outcome exists(call& request) {
    std::int64_t found = 0;
    for (const auto key : request.words.subspan(1)) found += request.keys().find(key) != nullptr ? 1 : 0;
    request.out.integer(found);
    return {};
}

// ---- EXPIRE key seconds [NX | XX | GT | LT] ----

struct expire_conditions {
    bool is_new = false;      // NX: only if the key has no expiry
    bool is_change = false;   // XX: only if the key has an expiry
    bool is_later = false;    // GT: only if the new expiry is later
    bool is_earlier = false;  // LT: only if the new expiry is earlier

    expire_conditions() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// Reads the options. On an error it writes the reply and returns nullopt.
std::optional<expire_conditions> read_conditions(call& request) {
    expire_conditions read;
    for (const auto word : request.words.subspan(3)) {
        bool* const flag = is_word(word, "nx")   ? &read.is_new
                           : is_word(word, "xx") ? &read.is_change
                           : is_word(word, "gt") ? &read.is_later
                           : is_word(word, "lt") ? &read.is_earlier
                                                 : nullptr;
        if (flag == nullptr) {
            request.out.error("ERR Unsupported option " + std::string(up_to_nul(word)));
            return std::nullopt;
        }
        *flag = true;
    }
    if (read.is_new && (read.is_change || read.is_later || read.is_earlier)) {
        request.out.error("ERR NX and XX, GT or LT options at the same time are not compatible");
        return std::nullopt;
    }
    if (read.is_later && read.is_earlier) {
        request.out.error("ERR GT and LT options at the same time are not compatible");
        return std::nullopt;
    }
    return read;
}

bool hold(const expire_conditions& conditions, const std::optional<eddy::time::time_point>& old,
          eddy::time::time_point deadline) {
    if (conditions.is_new && old) return false;
    if (conditions.is_change && !old) return false;
    if (conditions.is_later && (!old || deadline <= *old)) return false;
    return !(conditions.is_earlier && old && deadline >= *old);
}

outcome expire(call& request) {
    const auto conditions = read_conditions(request);
    if (!conditions) return {};
    const auto seconds = parse_integer(request.word(2));
    if (!seconds) return std::unexpected(fault::no_integer);
    const auto deadline = deadline_in(*seconds, time_unit::seconds);
    if (!deadline) {
        request.out.error("ERR invalid expire time in 'expire' command");
        return {};
    }
    const auto key = request.word(1);
    const bool does =
        request.keys().find(key) != nullptr && hold(*conditions, request.keys().deadline_of(key), *deadline);
    if (does && *seconds <= 0) {
        request.keys().erase(key);
    } else if (does) {
        request.keys().expire_at(key, *deadline);
    }
    request.out.integer(does ? 1 : 0);
    return {};
}

outcome ttl(call& request) {
    using namespace std::chrono_literals;
    if (request.keys().find(request.word(1)) == nullptr) {
        request.out.integer(-2);
    } else if (const auto deadline = request.keys().deadline_of(request.word(1))) {
        request.out.integer(
            std::chrono::floor<std::chrono::seconds>(*deadline - eddy::time::clock::now() + 500ms).count());
    } else {
        request.out.integer(-1);
    }
    return {};
}

// ---- All keys ----

outcome dbsize(call& request) {
    request.out.integer(static_cast<std::int64_t>(request.keys().size()));
    return {};
}

outcome flushall(call& request) {
    const bool has_mode =
        request.words.size() == 2 && (is_word(request.word(1), "sync") || is_word(request.word(1), "async"));
    if (request.words.size() > 1 && !has_mode) return std::unexpected(fault::syntax);
    request.keys().clear();
    request.out.literal("+OK\r\n");
    return {};
}

using kind = command::kind;
constexpr std::array all{
    command{"del", -2, del, kind::writes, 1, -1, 1},
    command{"exists", -2, exists, kind::reads, 1, -1, 1},
    command{"expire", -3, expire, kind::writes, 1, 1, 1},
    command{"ttl", 2, ttl, kind::reads, 1, 1, 1},
    command{"dbsize", 1, dbsize, kind::reads},
    command{"flushall", -1, flushall, kind::writes},
};

}  // namespace

std::span<const command> key_commands() noexcept { return all; }

}  // namespace mini_redis
