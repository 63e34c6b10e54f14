// SPDX-License-Identifier: MIT
// Commands about the server, which tools call at their start: INFO, COMMAND, CONFIG GET.
#include <fmt/format.h>
#include <fnmatch.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"

namespace mini_redis {
namespace {

// ---- INFO [section ...] ----

using section = std::pair<std::string_view, std::string>;

std::vector<section> sections(const server_state& server) {
    const auto up = std::chrono::floor<std::chrono::seconds>(eddy::time::clock::now() - server.started).count();
    std::vector<section> all;
    all.emplace_back("Server", fmt::format("redis_version:{}\r\nredis_mode:standalone\r\nserver_name:mini_redis\r\n"
                                           "process_id:{}\r\ntcp_port:{}\r\nuptime_in_seconds:{}\r\n",
                                           redis_version, ::getpid(), server.port, up));
    all.emplace_back("Clients",
                     fmt::format("connected_clients:{}\r\nmaxclients:{}\r\n", server.clients, server.limits.clients));
    all.emplace_back("Stats", fmt::format("total_connections_received:{}\r\ntotal_commands_processed:{}\r\n"
                                          "pubsub_channels:{}\r\n",
                                          server.connections, server.commands, server.topics.size()));
    all.emplace_back("Replication", "role:master\r\nconnected_slaves:0\r\n");
    all.emplace_back("Keyspace", server.keys.size() == 0 ? std::string()
                                                         : fmt::format("db0:keys={},expires={},avg_ttl=0\r\n",
                                                                       server.keys.size(), server.keys.expiring()));
    return all;
}

bool wants(const call& request, std::string_view name) {
    std::string lower(name);
    lower.front() = static_cast<char>(lower.front() - 'A' + 'a');
    for (const auto word : request.words.subspan(1)) {
        if (is_word(word, lower) || is_word(word, "all") || is_word(word, "default") || is_word(word, "everything")) {
            return true;
        }
    }
    return request.words.size() == 1;
}

outcome info(call& request) {
    std::string text;
    for (const auto& [name, lines] : sections(request.server)) {
        if (!wants(request, name)) continue;
        text += fmt::format("{}# {}\r\n{}", text.empty() ? "" : "\r\n", name, lines);
    }
    request.out.verbatim(text);
    return {};
}

// ---- COMMAND [COUNT | DOCS | INFO name ...] ----

/// Writes the ten fields that Redis 7 has for a command. The last four are lists that are empty here.
void describe(reply_writer& out, const command& what) {
    out.array(10);
    out.bulk(what.name);
    out.integer(what.arity);
    out.set(1);
    out.status(what.what == command::kind::reads ? "readonly" : "write");
    for (const int number : {what.first_key, what.last_key, what.key_step}) out.integer(number);
    out.set(0);
    out.set(0);
    out.array(0);
    out.array(0);
}

outcome describe_named(call& request) {
    const auto names = request.words.subspan(2);
    request.out.array(names.size());
    for (const auto name : names) {
        if (const command* const found = find_command(name)) {
            describe(request.out, *found);
        } else {
            request.out.nil();
        }
    }
    return {};
}

outcome tell_commands(call& request) {
    if (request.words.size() == 1) {
        request.out.array(count_commands());
        for_each_command([&](const command& each) { describe(request.out, each); });
        return {};
    }
    if (is_word(request.word(1), "info")) return describe_named(request);
    if (is_word(request.word(1), "docs")) {
        request.out.map(0);  // redis-cli works without them
    } else if (is_word(request.word(1), "count")) {
        request.out.integer(static_cast<std::int64_t>(count_commands()));
    } else {
        return say_subcommand_unknown(request, "COMMAND");
    }
    return {};
}

// ---- CONFIG GET pattern ... ----

using setting = std::pair<std::string, std::string>;

std::vector<setting> settings(const server_state& server) {
    return {{"appendonly", "no"},
            {"databases", "1"},
            {"maxclients", std::to_string(server.limits.clients)},
            {"port", std::to_string(server.port)},
            {"proto-max-bulk-len", std::to_string(server.limits.request.word)},
            {"save", ""}};
}

bool is_pattern(std::string_view word) { return word.find_first_of("[*?") != word.npos; }

bool is_meant(const std::string& name, std::string_view word) {
    return is_pattern(word) ? ::fnmatch(std::string(word).c_str(), name.c_str(), FNM_CASEFOLD) == 0
                            : is_word(word, name);
}

/// Returns the requested settings, each one once. As in Redis, a name is returned as typed, and a pattern returns the
/// real names.
std::vector<setting> asked_for(const call& request) {
    auto left = settings(request.server);
    std::vector<setting> asked;
    for (const auto word : request.words.subspan(2)) {
        std::erase_if(left, [&](const setting& each) {
            if (!is_meant(each.first, word)) return false;
            asked.emplace_back(is_pattern(word) ? each.first : word, each.second);
            return true;
        });
    }
    return asked;
}

outcome config(call& request) {
    if (!is_word(request.word(1), "get")) return say_subcommand_unknown(request, "CONFIG");
    if (request.words.size() < 3) {
        request.out.error("ERR wrong number of arguments for 'config|get' command");
        return {};
    }
    const auto asked = asked_for(request);
    request.out.map(asked.size());
    for (const auto& [name, is] : asked) {
        request.out.bulk(name);
        request.out.bulk(is);
    }
    return {};
}

using kind = command::kind;
constexpr std::array server_table{
    command{"info", -1, info, kind::reads},
    command{"command", -1, tell_commands, kind::reads},
    command{"config", -2, config, kind::reads},
};

}  // namespace

std::span<const command> server_commands() noexcept { return server_table; }

}  // namespace mini_redis
