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

/// One request while it is executed. A command never waits.
struct call {
    server_state& server;
    client_state& client;
    reply_writer out;
    std::span<const std::string_view> words;  ///< the command's name is the first

    [[nodiscard]] std::string_view word(std::size_t index) const noexcept { return words[index]; }
    [[nodiscard]] database& keys() const noexcept { return server.keys; }
};

/// A fault is the reply; without one the command has written its own.
using outcome = std::expected<void, fault>;
using command_function = outcome (*)(call&);

struct command {
    std::string_view name;  ///< lower case
    int arity;              ///< words, the name included; negative: at least as many
    command_function run;
    enum class kind { reads, writes, grows } what;  ///< grows: refused when there are too many keys
    int first_key = 0;                              ///< for COMMAND: the places of keys among the words
    int last_key = 0;
    int key_step = 0;
    bool of_subscribers = false;  ///< allowed for a client that has subscribed
};

/// A family of commands: one of each file commands_*.cpp.
[[nodiscard]] std::span<const command> string_commands() noexcept;
[[nodiscard]] std::span<const command> key_commands() noexcept;
[[nodiscard]] std::span<const command> list_commands() noexcept;
[[nodiscard]] std::span<const command> hash_and_set_commands() noexcept;
[[nodiscard]] std::span<const command> channel_commands() noexcept;
[[nodiscard]] std::span<const command> server_commands() noexcept;

/// The command of this name, in any case; null if there is none.
[[nodiscard]] const command* find_command(std::string_view name) noexcept;
/// How many there are.
[[nodiscard]] std::size_t count_commands() noexcept;
/// Calls `f(command)` for each.
template <class F>
void for_each_command(F f) {
    for (const auto family : {string_commands(), key_commands(), list_commands(), hash_and_set_commands(),
                              channel_commands(), server_commands()}) {
        for (const command& each : family) f(each);
    }
}

/// Answers a request, whatever is in it.
void execute(call& request);

/// What Redis shows of a word in an error: it reads words as C does.
[[nodiscard]] std::string_view up_to_nul(std::string_view text) noexcept;

/// Whether `text` is `lower` in any case. `lower` is ASCII.
[[nodiscard]] bool is_word(std::string_view text, std::string_view lower) noexcept;

}  // namespace mini_redis
