// SPDX-License-Identifier: MIT
// DEL, EXISTS, TYPE, EXPIRE, PEXPIRE, PERSIST, TTL, PTTL, DBSIZE, FLUSHALL.
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

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

outcome type(call& request) {
    const stored_value* const found = request.keys().find(request.word(1));
    constexpr auto name_of = [](const auto& value) -> std::string_view {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) return "string";
        if constexpr (std::is_same_v<T, list>) return "list";
        if constexpr (std::is_same_v<T, hash>) return "hash";
        return "set";
    };
    request.out.status(found == nullptr ? "none" : std::visit(name_of, *found));
    return {};
}

// ---- EXPIRE key seconds [NX | XX | GT | LT] ----

struct expire_conditions {
    bool is_new = false;      // NX: only if the key has no expiry
    bool is_change = false;   // XX: only if the key has an expiry
    bool is_later = false;    // GT: only if the new expiry is later
    bool is_earlier = false;  // LT: only if the new expiry is earlier

    expire_conditions() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
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

outcome expire_in(call& request, std::string_view name, time_unit unit) {
    const auto conditions = read_conditions(request);
    if (!conditions) return {};
    const auto count = parse_integer(request.word(2));
    if (!count) return std::unexpected(fault::no_integer);
    const auto deadline = deadline_in(*count, unit);
    if (!deadline) {
        request.out.error("ERR invalid expire time in '" + std::string(name) + "' command");
        return {};
    }
    const auto key = request.word(1);
    const bool does =
        request.keys().find(key) != nullptr && hold(*conditions, request.keys().deadline_of(key), *deadline);
    if (does && *count <= 0) {
        request.keys().erase(key);
    } else if (does) {
        request.keys().expire_at(key, *deadline);
    }
    request.out.integer(does ? 1 : 0);
    return {};
}

outcome expire(call& request) { return expire_in(request, "expire", time_unit::seconds); }
outcome pexpire(call& request) { return expire_in(request, "pexpire", time_unit::milliseconds); }

outcome persist(call& request) {
    request.out.integer(request.keys().persist(request.word(1)) ? 1 : 0);
    return {};
}

/// Writes the time that the key has left, in `Unit`, rounded by adding `rounding`.
template <class Unit>
outcome tell_time_left(call& request, std::chrono::milliseconds rounding) {
    if (request.keys().find(request.word(1)) == nullptr) {
        request.out.integer(-2);
    } else if (const auto deadline = request.keys().deadline_of(request.word(1))) {
        request.out.integer(std::chrono::floor<Unit>(*deadline - eddy::time::clock::now() + rounding).count());
    } else {
        request.out.integer(-1);
    }
    return {};
}

outcome ttl(call& request) { return tell_time_left<std::chrono::seconds>(request, std::chrono::milliseconds(500)); }
outcome pttl(call& request) { return tell_time_left<std::chrono::milliseconds>(request, {}); }

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
constexpr std::array keys_table{
    command{"del", -2, del, kind::writes, 1, -1, 1},       command{"exists", -2, exists, kind::reads, 1, -1, 1},
    command{"expire", -3, expire, kind::writes, 1, 1, 1},  command{"pexpire", -3, pexpire, kind::writes, 1, 1, 1},
    command{"persist", 2, persist, kind::writes, 1, 1, 1}, command{"ttl", 2, ttl, kind::reads, 1, 1, 1},
    command{"pttl", 2, pttl, kind::reads, 1, 1, 1},        command{"type", 2, type, kind::reads, 1, 1, 1},
    command{"unlink", -2, del, kind::writes, 1, -1, 1},    command{"dbsize", 1, dbsize, kind::reads},
    command{"flushall", -1, flushall, kind::writes},
};

}  // namespace

std::span<const command> key_commands() noexcept { return keys_table; }

}  // namespace mini_redis
