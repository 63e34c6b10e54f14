// SPDX-License-Identifier: MIT
// LPUSH, RPUSH, LPOP, LRANGE.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "command.hpp"
#include "numbers.hpp"

namespace mini_redis {
namespace {

outcome push(call& request, bool to_front) {
    const auto made = request.keys().make_as<list>(request.word(1));
    if (!made) return std::unexpected(made.error());
    list& items = **made;
    for (const auto word : request.words.subspan(2)) {
        if (to_front) {
            items.emplace_front(word);
        } else {
            items.emplace_back(word);
        }
    }
    request.keys().touch(request.word(1));
    request.out.integer(static_cast<std::int64_t>(items.size()));
    return {};
}

outcome lpush(call& request) { return push(request, true); }
outcome rpush(call& request) { return push(request, false); }

/// Writes and removes the first `count` items. Removes the key if the list is empty then.
void pop(call& request, list& items, std::size_t count) {
    if (count > 0) request.keys().touch(request.word(1));
    for (; count > 0; --count) {
        request.out.bulk(items.front());
        items.pop_front();
    }
    if (items.empty()) request.keys().erase(request.word(1));
}

/// LPOP key [count]: the reply is an array if a count is given.
outcome lpop(call& request) {
    const bool has_count = request.words.size() > 2;
    std::int64_t count = 1;
    if (request.words.size() > 3) {
        request.out.error("ERR wrong number of arguments for 'lpop' command");
        return {};
    }
    if (has_count) {
        const auto wanted = parse_integer(request.word(2));
        if (!wanted || *wanted < 0) return std::unexpected(fault::no_positive_integer);
        count = *wanted;
    }
    const auto found = request.keys().find_as<list>(request.word(1));
    if (!found) return std::unexpected(found.error());
    if (*found == nullptr) {
        has_count ? request.out.nil_array() : request.out.nil();
        return {};
    }
    const auto popped = std::min(static_cast<std::size_t>(count), (*found)->size());
    if (has_count) request.out.array(popped);
    pop(request, **found, popped);
    return {};
}

/// LRANGE key first last: the reply includes the items at both indices. Negative indices count from the end.
outcome lrange(call& request) {
    const auto first = parse_integer(request.word(2));
    const auto last = parse_integer(request.word(3));
    if (!first || !last) return std::unexpected(fault::no_integer);
    const auto found = request.keys().find_as<list>(request.word(1));
    if (!found) return std::unexpected(found.error());
    const auto size = *found == nullptr ? 0 : static_cast<std::int64_t>((*found)->size());
    // Clamp the indices first, since the arguments may be any 64-bit numbers.
    const auto begin = std::clamp<std::int64_t>(*first < 0 ? *first + size : *first, 0, size);
    const auto end = std::clamp<std::int64_t>(*last < 0 ? *last + size + 1 : std::min(*last, size) + 1, begin, size);
    request.out.array(static_cast<std::size_t>(end - begin));
    for (auto i = begin; i < end; ++i) request.out.bulk((**found)[static_cast<std::size_t>(i)]);
    return {};
}

using kind = command::kind;
constexpr std::array lists_table{
    command{"lpush", -3, lpush, kind::grows, 1, 1, 1},
    command{"rpush", -3, rpush, kind::grows, 1, 1, 1},
    command{"lpop", -2, lpop, kind::writes, 1, 1, 1},
    command{"lrange", 4, lrange, kind::reads, 1, 1, 1},
};

}  // namespace

std::span<const command> list_commands() noexcept { return lists_table; }

}  // namespace mini_redis
