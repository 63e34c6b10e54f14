// SPDX-License-Identifier: MIT
// HSET, HGET, HGETALL, SADD, SMEMBERS.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "numbers.hpp"

namespace mini_redis {
namespace {

outcome hset(call& request) {
    if (request.words.size() % 2 == 1) {
        request.out.error("ERR wrong number of arguments for 'hset' command");
        return {};
    }
    const auto made = request.keys().make_as<hash>(request.word(1));
    if (!made) return std::unexpected(made.error());
    std::int64_t added = 0;
    for (std::size_t i = 2; i < request.words.size(); i += 2) {
        added += (*made)->set(request.word(i), request.word(i + 1)) ? 1 : 0;
    }
    request.keys().touch(request.word(1));
    request.out.integer(added);
    return {};
}

outcome hget(call& request) {
    const auto found = request.keys().find_as<hash>(request.word(1));
    if (!found) return std::unexpected(found.error());
    const std::string* const is = *found == nullptr ? nullptr : (*found)->get(request.word(2));
    if (is == nullptr) {
        request.out.nil();
    } else {
        request.out.bulk(*is);
    }
    return {};
}

outcome hgetall(call& request) {
    const auto found = request.keys().find_as<hash>(request.word(1));
    if (!found) return std::unexpected(found.error());
    if (*found == nullptr) {
        request.out.map(0);
        return {};
    }
    request.out.map((*found)->fields().size());
    for (const auto& each : (*found)->fields()) {
        request.out.bulk(each.name);
        request.out.bulk(each.value);
    }
    return {};
}

outcome sadd(call& request) {
    const auto made = request.keys().make_as<set>(request.word(1));
    if (!made) return std::unexpected(made.error());
    std::int64_t added = 0;
    for (const auto word : request.words.subspan(2)) added += (*made)->emplace(word).second ? 1 : 0;
    if (added > 0) request.keys().touch(request.word(1));
    request.out.integer(added);
    return {};
}

/// Returns the members in numeric order if all are numbers, as Redis does for small sets of numbers; else in any order.
std::vector<std::string_view> in_order(const set& members) {
    std::vector<std::string_view> sorted(members.begin(), members.end());
    if (std::ranges::all_of(sorted, [](std::string_view each) { return parse_integer(each).has_value(); })) {
        std::ranges::sort(sorted, {}, [](std::string_view each) { return *parse_integer(each); });
    }
    return sorted;
}

outcome smembers(call& request) {
    const auto found = request.keys().find_as<set>(request.word(1));
    if (!found) return std::unexpected(found.error());
    if (*found == nullptr) {
        request.out.set(0);
        return {};
    }
    request.out.set((*found)->size());
    for (const auto each : in_order(**found)) request.out.bulk(each);
    return {};
}

using kind = command::kind;
constexpr std::array hashes_and_sets_table{
    command{"hset", -4, hset, kind::grows, 1, 1, 1},        command{"hget", 3, hget, kind::reads, 1, 1, 1},
    command{"hgetall", 2, hgetall, kind::reads, 1, 1, 1},   command{"sadd", -3, sadd, kind::grows, 1, 1, 1},
    command{"smembers", 2, smembers, kind::reads, 1, 1, 1},
};

}  // namespace

std::span<const command> hash_and_set_commands() noexcept { return hashes_and_sets_table; }

}  // namespace mini_redis
