// SPDX-License-Identifier: MIT
// Commands that concern the connection: PING, ECHO, QUIT, RESET, and those that client libraries send when they
// connect: HELLO, AUTH, SELECT, CLIENT.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "command.hpp"
#include "numbers.hpp"

namespace mini_redis {
namespace {

outcome ping(call& request) {
    if (request.words.size() > 2) {
        request.out.error("ERR wrong number of arguments for 'ping' command");
    } else if (request.client.is_limited_to_subscriptions()) {
        request.out.array(2);
        request.out.bulk("pong");
        request.out.bulk(request.words.size() == 2 ? request.word(1) : "");
    } else if (request.words.size() == 2) {
        request.out.bulk(request.word(1));
    } else {
        request.out.literal("+PONG\r\n");
    }
    return {};
}

outcome echo(call& request) {
    request.out.bulk(request.word(1));
    return {};
}

outcome quit(call& request) {
    request.client.wants_end = true;
    request.out.literal("+OK\r\n");
    return {};
}

void use_version(call& request, protocol version) {
    request.client.version = version;
    if (request.client.subscribed) request.client.subscribed->mail().use(version);
    request.out.use(version);
}

outcome reset(call& request) {
    request.client.multi.end();
    request.client.subscribed.reset();
    request.client.name.clear();
    use_version(request, protocol::resp2);
    request.out.literal("+RESET\r\n");
    return {};
}

// ---- AUTH: there is one user, "default", without a password ----

constexpr std::string_view wrong_password = "WRONGPASS invalid username-password pair or user is disabled.";

outcome auth(call& request) {
    if (request.words.size() > 3) return std::unexpected(fault::syntax);
    if (request.words.size() == 2) {
        request.out.error(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
            "configuration is correct?");
    } else if (request.word(1) != "default") {
        request.out.error(wrong_password);
    } else {
        request.out.literal("+OK\r\n");
    }
    return {};
}

// ---- Names ----

bool is_printable(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return c >= '!' && c <= '~'; });
}

/// Sets the name of the connection. Returns false after it has written an error.
bool set_name(call& request, std::string_view name) {
    if (!is_printable(name)) {
        request.out.error("ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    request.client.name = name;
    return true;
}

// ---- HELLO [version [AUTH user password] [SETNAME name]] ----

/// Applies the options. Returns false after it has written an error.
bool apply_hello_options(call& request) {
    for (std::size_t i = 2; i < request.words.size(); ++i) {
        const std::size_t more = request.words.size() - 1 - i;
        if (is_word(request.word(i), "auth") && more >= 2) {
            if (request.word(i + 1) != "default") {
                request.out.error(wrong_password);
                return false;
            }
            i += 2;
        } else if (is_word(request.word(i), "setname") && more >= 1) {
            if (!set_name(request, request.word(++i))) return false;
        } else {
            request.out.error(fmt::format("ERR Syntax error in HELLO option '{}'", up_to_nul(request.word(i))));
            return false;
        }
    }
    return true;
}

outcome hello(call& request) {
    protocol version = request.client.version;
    if (request.words.size() > 1) {
        const auto wanted = parse_integer(request.word(1));
        if (!wanted) {
            request.out.error("ERR Protocol version is not an integer or out of range");
            return {};
        }
        if (*wanted != 2 && *wanted != 3) {
            request.out.error("NOPROTO unsupported protocol version");
            return {};
        }
        version = static_cast<protocol>(*wanted);
        if (!apply_hello_options(request)) return {};
    }
    use_version(request, version);
    reply_writer& out = request.out;
    out.map(7);
    out.bulk("server");
    out.bulk("redis");
    out.bulk("version");
    out.bulk(redis_version);
    out.bulk("proto");
    out.integer(static_cast<std::int64_t>(version));
    out.bulk("id");
    out.integer(static_cast<std::int64_t>(request.client.id));
    out.bulk("mode");
    out.bulk("standalone");
    out.bulk("role");
    out.bulk("master");
    out.bulk("modules");
    out.array(0);
    return {};
}

outcome select(call& request) {
    const auto index = parse_integer(request.word(1));
    if (!index) return std::unexpected(fault::no_integer);
    if (*index == 0) {
        request.out.literal("+OK\r\n");
    } else {
        request.out.error("ERR DB index is out of range");
    }
    return {};
}

// ---- CLIENT ID | GETNAME | SETNAME name | SETINFO attribute value | INFO ----

void set_info(call& request) {
    const auto attribute = request.word(2);
    std::string* const field = is_word(attribute, "lib-name")  ? &request.client.library_name
                               : is_word(attribute, "lib-ver") ? &request.client.library_version
                                                               : nullptr;
    if (field == nullptr) {
        request.out.error(fmt::format("ERR Unrecognized option '{}'", up_to_nul(attribute)));
    } else if (!is_printable(request.word(3))) {
        request.out.error(fmt::format("ERR {} cannot contain spaces, newlines or special characters.",
                                      field == &request.client.library_name ? "lib-name" : "lib-ver"));
    } else {
        *field = request.word(3);
        request.out.literal("+OK\r\n");
    }
}

void tell_about(call& request) {
    const client_state& client = request.client;
    request.out.verbatim(fmt::format("id={} name={} db=0 sub={} resp={} lib-name={} lib-ver={}\n", client.id,
                                     client.name, client.subscribed ? client.subscribed->names().size() : 0,
                                     static_cast<int>(client.version), client.library_name, client.library_version));
}

outcome client(call& request) {
    struct subcommand {
        std::string_view name;
        std::size_t words;
        void (*run)(call&);
    };
    static constexpr std::array subcommands{
        subcommand{"id", 2, [](call& to) { to.out.integer(static_cast<std::int64_t>(to.client.id)); }},
        subcommand{"getname", 2, [](call& to) { to.client.name.empty() ? to.out.nil() : to.out.bulk(to.client.name); }},
        subcommand{"setname", 3,
                   [](call& to) {
                       if (set_name(to, to.word(2))) to.out.literal("+OK\r\n");
                   }},
        subcommand{"setinfo", 4, &set_info},
        subcommand{"info", 2, &tell_about},
    };
    for (const auto& each : subcommands) {
        if (!is_word(request.word(1), each.name)) continue;
        if (request.words.size() == each.words) {
            each.run(request);
        } else {
            request.out.error(fmt::format("ERR wrong number of arguments for 'client|{}' command", each.name));
        }
        return {};
    }
    return say_subcommand_unknown(request, "CLIENT");
}

using kind = command::kind;
constexpr std::array connection_table{
    command{"ping", -1, ping, kind::reads, 0, 0, 0, true},
    command{"echo", 2, echo, kind::reads},
    command{"quit", -1, quit, kind::reads, 0, 0, 0, true, true},
    command{"reset", 1, reset, kind::reads, 0, 0, 0, true, true},
    command{"auth", -2, auth, kind::reads},
    command{"hello", -1, hello, kind::reads},
    command{"select", 2, select, kind::reads},
    command{"client", -2, client, kind::reads},
};

}  // namespace

std::span<const command> connection_commands() noexcept { return connection_table; }

}  // namespace mini_redis
