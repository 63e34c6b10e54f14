// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>

#include "fault.hpp"
#include "reply_writer.hpp"
#include "server_state.hpp"

namespace mini_redis {

/// The version of Redis that the server claims to be.
inline constexpr std::string_view redis_version = "7.0.0";

/// A request that is executed now. Commands do not wait.
struct call {
    server_state& server;
    client_state& client;
    reply_writer out;
    std::span<const std::string_view> words;  ///< the first one is the name of the command

    [[nodiscard]] std::string_view word(std::size_t index) const noexcept { return words[index]; }
    [[nodiscard]] database& keys() const noexcept { return server.keys; }
};

/// The outcome of a command. A fault becomes the reply; otherwise the command has written its reply.
using outcome = std::expected<void, fault>;
using command_function = outcome (*)(call&);

struct command {
    std::string_view name;  ///< lower case
    int arity;              ///< number of words with the name; negative: a minimum
    command_function run;
    enum class kind { reads, writes, grows } what;  ///< grows: rejected at the limit of keys
    int first_key = 0;                              ///< for COMMAND: the positions of keys in the words
    int last_key = 0;
    int key_step = 0;
    bool of_subscribers = false;  ///< permitted for a client with subscriptions
    bool is_immediate = false;    ///< executed, and not queued, after MULTI
};

/// The families of commands, one for each file commands_*.cpp.
[[nodiscard]] std::span<const command> string_commands() noexcept;
[[nodiscard]] std::span<const command> key_commands() noexcept;
[[nodiscard]] std::span<const command> list_commands() noexcept;
[[nodiscard]] std::span<const command> hash_and_set_commands() noexcept;
[[nodiscard]] std::span<const command> channel_commands() noexcept;
[[nodiscard]] std::span<const command> transaction_commands() noexcept;
[[nodiscard]] std::span<const command> connection_commands() noexcept;
[[nodiscard]] std::span<const command> server_commands() noexcept;

/// Finds a command by name, ignoring case. Returns null if there is none.
[[nodiscard]] const command* find_command(std::string_view name) noexcept;
/// Returns the number of commands.
[[nodiscard]] std::size_t count_commands() noexcept;
/// Calls `f(command)` for each command.
template <class F>
void for_each_command(F f) {
    for (const auto family : {string_commands(), key_commands(), list_commands(), hash_and_set_commands(),
                              channel_commands(), transaction_commands(), connection_commands(), server_commands()}) {
        for (const command& each : family) f(each);
    }
}

/// Executes a request and writes its reply. After MULTI it queues most requests. Writes an error reply for invalid
/// requests.
void execute(call& request);

/// Writes the error reply for an unknown subcommand of the command that `of` names.
outcome say_subcommand_unknown(call& request, std::string_view of);

/// Returns the part of a word before the first NUL. Redis shows only this part in errors, because it treats words as C
/// strings.
[[nodiscard]] std::string_view up_to_nul(std::string_view text) noexcept;

/// Compares `text` with `lower`, ignoring case. `lower` is ASCII in lower case.
[[nodiscard]] bool is_word(std::string_view text, std::string_view lower) noexcept;

}  // namespace mini_redis
