// SPDX-License-Identifier: MIT
// GET, SET and their variants, INCR, DECR, APPEND, STRLEN, MGET, MSET.
#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "command.hpp"
#include "expiry.hpp"
#include "numbers.hpp"

namespace mini_redis {
namespace {

void write_text(call& request, const std::string* text) {
    text == nullptr ? request.out.nil() : request.out.bulk(*text);
}

outcome get(call& request) {
    const auto found = request.keys().find_as<std::string>(request.word(1));
    if (!found) return std::unexpected(found.error());
    write_text(request, *found);
    return {};
}

// ---- SET key value [NX | XX] [GET] [EX | PX | EXAT | PXAT number | KEEPTTL] ----

struct lifetime_option {
    std::string_view name;
    time_unit unit;
    bool is_absolute;
};

constexpr std::array lifetime_options{
    lifetime_option{"ex", time_unit::seconds, false}, lifetime_option{"px", time_unit::milliseconds, false},
    lifetime_option{"exat", time_unit::seconds, true}, lifetime_option{"pxat", time_unit::milliseconds, true}};

struct set_options {
    const lifetime_option* unit = nullptr;
    std::string_view lifetime;
    bool keeps_lifetime = false;
    bool must_be_new = false;
    bool must_be_there = false;
    bool returns_old = false;

    set_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

std::optional<set_options> read_set_options(std::span<const std::string_view> words) {
    set_options read;
    for (std::size_t i = 3; i < words.size(); ++i) {
        const auto* const unit = std::ranges::find_if(
            lifetime_options, [&](const lifetime_option& each) { return is_word(words[i], each.name); });
        if (is_word(words[i], "nx") && !read.must_be_there) {
            read.must_be_new = true;
        } else if (is_word(words[i], "xx") && !read.must_be_new) {
            read.must_be_there = true;
        } else if (is_word(words[i], "get")) {
            read.returns_old = true;
        } else if (is_word(words[i], "keepttl") && read.unit == nullptr) {
            read.keeps_lifetime = true;
        } else if (unit != lifetime_options.end() && !read.keeps_lifetime && i + 1 < words.size() &&
                   (read.unit == nullptr || read.unit == unit)) {
            read.unit = unit;  // a repeated option: the last one is used
            read.lifetime = words[++i];
        } else {
            return std::nullopt;
        }
    }
    return read;
}

/// Parses a lifetime. On an error it writes the reply, or returns a fault.
std::expected<std::optional<eddy::time::time_point>, fault> read_lifetime(call& request, std::string_view text,
                                                                          const lifetime_option& unit,
                                                                          std::string_view name) {
    const auto count = parse_integer(text);
    if (!count) return std::unexpected(fault::no_integer);
    std::optional<eddy::time::time_point> deadline;
    if (*count > 0) deadline = unit.is_absolute ? deadline_at(*count, unit.unit) : deadline_in(*count, unit.unit);
    if (!deadline) request.out.error("ERR invalid expire time in '" + std::string(name) + "' command");
    return deadline;
}

outcome set_with_options(call& request) {
    const auto options = read_set_options(request.words);
    if (!options) return std::unexpected(fault::syntax);
    std::optional<eddy::time::time_point> deadline;
    if (options->unit != nullptr) {
        const auto read = read_lifetime(request, options->lifetime, *options->unit, "set");
        if (!read) return std::unexpected(read.error());
        if (!*read) return {};
        deadline = *read;
    }
    const auto key = request.word(1);
    if (options->returns_old) {
        const auto old = request.keys().find_as<std::string>(key);
        if (!old) return std::unexpected(old.error());
        write_text(request, *old);
    }
    const bool is_there = request.keys().find(key) != nullptr;
    if ((options->must_be_new && is_there) || (options->must_be_there && !is_there)) {
        if (!options->returns_old) request.out.nil();
        return {};
    }
    request.keys().set(key, request.word(2),
                       options->keeps_lifetime ? database::expiry::kept : database::expiry::removed);
    if (deadline) request.keys().expire_at(key, *deadline);
    if (!options->returns_old) request.out.literal("+OK\r\n");
    return {};
}

outcome set_key(call& request) {
    if (request.words.size() > 3) return set_with_options(request);
    request.keys().set(request.word(1), request.word(2));
    request.out.literal("+OK\r\n");
    return {};
}

// ---- Variants of GET and SET ----

outcome set_with_lifetime(call& request, std::string_view name, const lifetime_option& unit) {
    const auto deadline = read_lifetime(request, request.word(2), unit, name);
    if (!deadline) return std::unexpected(deadline.error());
    if (!*deadline) return {};
    request.keys().set(request.word(1), request.word(3));
    request.keys().expire_at(request.word(1), **deadline);
    request.out.literal("+OK\r\n");
    return {};
}

outcome setex(call& request) { return set_with_lifetime(request, "setex", lifetime_options[0]); }
outcome psetex(call& request) { return set_with_lifetime(request, "psetex", lifetime_options[1]); }

outcome setnx(call& request) {
    const bool is_new = request.keys().find(request.word(1)) == nullptr;
    if (is_new) request.keys().set(request.word(1), request.word(2));
    request.out.integer(is_new ? 1 : 0);
    return {};
}

outcome getset(call& request) {
    const auto old = request.keys().find_as<std::string>(request.word(1));
    if (!old) return std::unexpected(old.error());
    write_text(request, *old);
    request.keys().set(request.word(1), request.word(2));
    return {};
}

outcome getdel(call& request) {
    const auto old = request.keys().find_as<std::string>(request.word(1));
    if (!old) return std::unexpected(old.error());
    write_text(request, *old);
    request.keys().erase(request.word(1));
    return {};
}

outcome strlen(call& request) {
    const auto found = request.keys().find_as<std::string>(request.word(1));
    if (!found) return std::unexpected(found.error());
    request.out.integer(*found == nullptr ? 0 : static_cast<std::int64_t>((*found)->size()));
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
        request.keys().touch(request.word(1));
    }
    request.out.integer(sum);
    return {};
}

outcome incr(call& request) { return add(request, 1); }
outcome decr(call& request) { return add(request, -1); }

outcome incrby(call& request) {
    const auto step = parse_integer(request.word(2));
    if (!step) return std::unexpected(fault::no_integer);
    return add(request, *step);
}

outcome decrby(call& request) {
    const auto step = parse_integer(request.word(2));
    if (!step) return std::unexpected(fault::no_integer);
    if (*step == std::numeric_limits<std::int64_t>::min()) {
        request.out.error("ERR decrement would overflow");
        return {};
    }
    return add(request, -*step);
}

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
    request.keys().touch(request.word(1));
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
constexpr std::array strings_table{
    command{"get", 2, get, kind::reads, 1, 1, 1},       command{"set", -3, set_key, kind::grows, 1, 1, 1},
    command{"incr", 2, incr, kind::grows, 1, 1, 1},     command{"decr", 2, decr, kind::grows, 1, 1, 1},
    command{"append", 3, append, kind::grows, 1, 1, 1}, command{"mget", -2, mget, kind::reads, 1, -1, 1},
    command{"mset", -3, mset, kind::grows, 1, -1, 2},   command{"incrby", 3, incrby, kind::grows, 1, 1, 1},
    command{"decrby", 3, decrby, kind::grows, 1, 1, 1}, command{"setnx", 3, setnx, kind::grows, 1, 1, 1},
    command{"setex", 4, setex, kind::grows, 1, 1, 1},   command{"psetex", 4, psetex, kind::grows, 1, 1, 1},
    command{"getset", 3, getset, kind::grows, 1, 1, 1}, command{"getdel", 2, getdel, kind::writes, 1, 1, 1},
    command{"strlen", 2, strlen, kind::reads, 1, 1, 1},
};

}  // namespace

std::span<const command> string_commands() noexcept { return strings_table; }

}  // namespace mini_redis
