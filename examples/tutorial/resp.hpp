// SPDX-License-Identifier: MIT
#pragma once

// Tutorial, chapter 3: the protocol of Redis (RESP2). A request is an array of words,
//
//     *2 \r\n $3 \r\n GET \r\n $3 \r\n tea \r\n
//
// or, for people at a terminal, a line of words.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/result.hpp>

namespace tutorial {

using request = std::vector<std::string>;

// docs: replies
inline std::string simple_reply(std::string_view text) { return "+" + std::string(text) + "\r\n"; }
inline std::string error_reply(std::string_view text) { return "-ERR " + std::string(text) + "\r\n"; }
inline std::string number_reply(std::size_t number) { return ":" + std::to_string(number) + "\r\n"; }
inline std::string text_reply(const std::optional<std::string>& text) {
    if (!text) return "$-1\r\n";
    return "$" + std::to_string(text->size()) + "\r\n" + *text + "\r\n";
}
// docs: end
inline std::string array_reply(const std::vector<std::string>& texts) {
    std::string all = "*" + std::to_string(texts.size()) + "\r\n";
    for (const auto& each : texts) all += text_reply(each);
    return all;
}

/// A message of a channel, or the reply to SUBSCRIBE.
inline std::string message_reply(const std::string& kind, const std::string& channel, const std::string& text) {
    return array_reply({kind, channel, text});
}

// docs: codec
/// The server's side of a connection: decodes requests, and encodes replies.
class resp_codec {
public:
    /// Removes a request from the front of `from`, or returns nullopt if it is incomplete.
    eddy::result<std::optional<request>> decode(eddy::bytes_mut& from) {
        rest_ = from.text();
        auto found = next_request();
        if (found && *found) from.advance(from.size() - rest_.size());
        return found;
    }

    eddy::result<void> encode(std::string_view reply, eddy::bytes_mut& into) {
        into.put(reply);
        return {};
    }
    // docs: end

private:
    static constexpr std::size_t max_words = 1024, max_word = 1U << 20, max_line = 1U << 16;

    eddy::result<std::optional<request>> next_request() {
        auto first = line();
        if (!first) return std::unexpected(first.error());
        if (!*first) return std::optional<request>();
        if (!(*first)->starts_with('*')) return split(**first);
        const auto count = number((*first)->substr(1), max_words);
        if (!count) return std::unexpected(count.error());
        request words;
        while (words.size() < *count) {
            const auto length_line = line();
            if (!length_line) return std::unexpected(length_line.error());
            if (!*length_line) return std::optional<request>();
            if (!(*length_line)->starts_with('$')) return damaged();
            const auto length = number((*length_line)->substr(1), max_word);
            if (!length) return std::unexpected(length.error());
            if (rest_.size() < *length + 2) return std::optional<request>();
            words.emplace_back(rest_.substr(0, *length));
            rest_.remove_prefix(*length + 2);
        }
        return words;
    }

    /// Takes a line from `rest_`.
    eddy::result<std::optional<std::string_view>> line() {
        const auto end = rest_.find('\n');
        if (end == rest_.npos && rest_.size() > max_line) return damaged();
        if (end == rest_.npos) return std::optional<std::string_view>();
        auto text = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        if (text.ends_with('\r')) text.remove_suffix(1);
        return text;
    }

    static eddy::result<std::size_t> number(std::string_view text, std::size_t limit) {
        std::size_t value = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
        if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value > limit) return damaged();
        return value;
    }

    static request split(std::string_view text) {
        std::istringstream words{std::string(text)};
        request all;
        for (std::string word; words >> word;) all.push_back(std::move(word));
        return all;
    }

    static std::unexpected<std::error_code> damaged() {
        return std::unexpected(make_error_code(std::errc::bad_message));
    }

    std::string_view rest_;  // what is left of the received bytes while decode() runs
};

}  // namespace tutorial
