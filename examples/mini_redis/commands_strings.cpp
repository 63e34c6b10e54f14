// SPDX-License-Identifier: MIT
// GET, SET, INCR, DECR, APPEND, MGET, MSET.
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "command.hpp"
#include "expiry.hpp"
#include "numbers.hpp"

namespace mini_redis {
namespace {

outcome get(call& request) {
    const auto found = request.keys().find_as<std::string>(request.word(1));
    if (!found) return std::unexpected(found.error());
    if (*found == nullptr) {
        request.out.nil();
    } else {
        request.out.bulk(**found);
    }
    return {};
}

// ---- SET key value [NX | XX] [EX seconds | PX milliseconds] ----

struct set_options {
    std::optional<std::string_view> lifetime;
    time_unit unit = time_unit::seconds;
    bool must_be_new = false;
    bool must_be_there = false;

    set_options() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

std::optional<set_options> read_set_options(std::span<const std::string_view> words) {
    set_options read;
    for (std::size_t i = 3; i < words.size(); ++i) {
        const bool is_ex = is_word(words[i], "ex");
        const auto unit = is_ex ? time_unit::seconds : time_unit::milliseconds;
        const bool fits = !read.lifetime || read.unit == unit;  // a repeated option: the last one is used
        if (is_word(words[i], "nx") && !read.must_be_there) {
            read.must_be_new = true;
        } else if (is_word(words[i], "xx") && !read.must_be_new) {
            read.must_be_there = true;
        } else if ((is_ex || is_word(words[i], "px")) && fits && i + 1 < words.size()) {
            read.unit = unit;
            read.lifetime = words[++i];
        } else {
            return std::nullopt;
        }
    }
    return read;
}

outcome set_with_options(call& request) {
    const auto options = read_set_options(request.words);
    if (!options) return std::unexpected(fault::syntax);
    std::optional<eddy::time::time_point> deadline;
    if (options->lifetime) {
        const auto count = parse_integer(*options->lifetime);
        if (!count) return std::unexpected(fault::no_integer);
        deadline = *count > 0 ? deadline_in(*count, options->unit) : std::nullopt;
        if (!deadline) {
            request.out.error("ERR invalid expire time in 'set' command");
            return {};
        }
    }
    const auto key = request.word(1);
    if (options->must_be_new || options->must_be_there) {
        const bool is_there = request.keys().find(key) != nullptr;
        if (is_there != options->must_be_there) {
            request.out.nil();
            return {};
        }
    }
    request.keys().set(key, request.word(2));
    if (deadline) request.keys().expire_at(key, *deadline);
    request.out.literal("+OK\r\n");
    return {};
}

outcome set_key(call& request) {
    if (request.words.size() > 3) return set_with_options(request);
    request.keys().set(request.word(1), request.word(2));
    request.out.literal("+OK\r\n");
    return {};
}

// ---- Numbers ----

outcome add(call& request, std::int64_t step) {
    const auto found = request.keys().find_as<std::string>(request.word(1));
    if (!found) return std::unexpected(found.error());
    const auto old = *found == nullptr ? std::optional<std::int64_t>(0) : parse_integer(**found);
    if (!old) return std::unexpected(fault::no_integer);
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*old, step, &sum)) return std::unexpected(fault::overflow);
    if (*found == nullptr) {
        request.keys().set(request.word(1), std::to_string(sum));
    } else {
        **found = std::to_string(sum);  // modified in place, so that the expiry is kept
    }
    request.out.integer(sum);
    return {};
}

outcome incr(call& request) { return add(request, 1); }
outcome decr(call& request) { return add(request, -1); }

// ---- Several keys ----

outcome append(call& request) {
    const auto found = request.keys().make_as<std::string>(request.word(1));
    if (!found) return std::unexpected(found.error());
    std::string& text = **found;
    if (request.word(2).size() >
        request.server.limits.request.word - std::min(text.size(), request.server.limits.request.word)) {
        return std::unexpected(fault::too_long);
    }
    text.append(request.word(2));
    request.out.integer(static_cast<std::int64_t>(text.size()));
    return {};
}

outcome mget(call& request) {
    request.out.array(request.words.size() - 1);
    for (const auto key : request.words.subspan(1)) {
        const auto found = request.keys().find_as<std::string>(key);
        if (found && *found != nullptr) {
            request.out.bulk(**found);
        } else {
            request.out.nil();  // also for a value of another type
        }
    }
    return {};
}

outcome mset(call& request) {
    if (request.words.size() % 2 == 0) {
        request.out.error("ERR wrong number of arguments for 'mset' command");
        return {};
    }
    for (std::size_t i = 1; i < request.words.size(); i += 2) request.keys().set(request.word(i), request.word(i + 1));
    request.out.literal("+OK\r\n");
    return {};
}

using kind = command::kind;
constexpr std::array all{
    command{"get", 2, get, kind::reads, 1, 1, 1},       command{"set", -3, set_key, kind::grows, 1, 1, 1},
    command{"incr", 2, incr, kind::grows, 1, 1, 1},     command{"decr", 2, decr, kind::grows, 1, 1, 1},
    command{"append", 3, append, kind::grows, 1, 1, 1}, command{"mget", -2, mget, kind::reads, 1, -1, 1},
    command{"mset", -3, mset, kind::grows, 1, -1, 2},
};

}  // namespace

std::span<const command> string_commands() noexcept { return all; }

}  // namespace mini_redis
