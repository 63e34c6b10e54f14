// SPDX-License-Identifier: MIT
#pragma once

// Tutorial, chapter 4: the commands for keys.

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "resp.hpp"
#include "store.hpp"

namespace tutorial {

inline std::optional<std::chrono::seconds> seconds_in(const std::string& text) {
    std::uint32_t count = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || count == 0) return std::nullopt;
    return std::chrono::seconds(count);
}

// docs: answer
/// Executes PING, GET key, SET key value, and SET key value EX seconds.
inline std::string answer(store& data, const request& words) {
    const std::string command = words.empty() ? "" : words[0];
    if (command == "PING") return simple_reply("PONG");
    if (command == "GET" && words.size() == 2) return text_reply(data.get(words[1]));
    if (command == "SET" && words.size() == 3) {
        data.set(words[1], words[2]);
        return simple_reply("OK");
    }
    if (command == "SET" && words.size() == 5 && words[3] == "EX") {
        const auto lifetime = seconds_in(words[4]);
        if (!lifetime) return error_reply("invalid expire time");
        data.set(words[1], words[2], *lifetime);
        return simple_reply("OK");
    }
    return error_reply("unknown command");
}
// docs: end

}  // namespace tutorial
