// SPDX-License-Identifier: MIT
#include "command.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace mini_redis {
namespace {

constexpr std::size_t longest_name = 15;

constexpr char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// A name in lower case, stored without an allocation. A name that is longer than longest_name is truncated to one byte
/// more than that, so that it matches no command.
class lower_name {
public:
    explicit lower_name(std::string_view name) noexcept : size_(std::min(name.size(), longest_name + 1)) {
        std::ranges::transform(name.substr(0, size_), text_.begin(), to_lower);
    }
    [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), size_}; }

private:
    std::array<char, longest_name + 1> text_;
    std::size_t size_;
};

using name_table = std::unordered_map<std::string_view, const command*>;

const name_table& table() {
    static const name_table all = [] {
        name_table made;
        for_each_command([&](const command& each) { made.emplace(each.name, &each); });
        return made;
    }();
    return all;
}

bool fits(const command& what, std::size_t words) noexcept {
    const auto count = static_cast<std::int64_t>(words);
    return what.arity >= 0 ? count == what.arity : count >= -what.arity;
}

/// Replies with the beginning of the request, as Redis does.
void say_unknown(call& request) {
    constexpr std::size_t most = 128;
    std::string text = "ERR unknown command '";
    text.append(up_to_nul(request.word(0)).substr(0, most)).append("', with args beginning with: ");
    std::size_t shown = 0;
    for (std::size_t i = 1; i < request.words.size() && shown < most; ++i) {
        const auto word = up_to_nul(request.word(i)).substr(0, most - shown);
        text.append("'").append(word).append("' ");
        shown += word.size() + 3;
    }
    request.out.error(text);
}

/// Returns the error for a request that must not be executed. Returns an empty string if it may be executed.
std::string refusal(const call& request, const command& what) {
    if (!fits(what, request.words.size())) {
        return "ERR wrong number of arguments for '" + std::string(what.name) + "' command";
    }
    if (request.client.is_limited_to_subscriptions() && !what.of_subscribers) {
        return "ERR Can't execute '" + std::string(what.name) +
               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    }
    if (what.what == command::kind::grows && request.server.keys.size() >= request.server.limits.keys) {
        return "OOM command not allowed when used memory > 'maxmemory'.";
    }
    return {};
}

/// Queues a request for EXEC.
void queue(call& request) {
    transaction& multi = request.client.multi;
    if (multi.queue(request.words, request.server.limits.request.frame)) return request.out.literal("+QUEUED\r\n");
    multi.fail();
    request.out.error("OOM transaction is too large");
}

}  // namespace

const command* find_command(std::string_view name) noexcept {
    const auto at = table().find(lower_name(name).text());
    return at == table().end() ? nullptr : at->second;
}

std::size_t count_commands() noexcept { return table().size(); }

void execute(call& request) {
    ++request.server.commands;
    transaction& multi = request.client.multi;
    const command* const found = find_command(request.word(0));
    if (found == nullptr) {
        multi.fail();
        return say_unknown(request);
    }
    if (const std::string text = refusal(request, *found); !text.empty()) {
        multi.fail();
        return request.out.error(text);
    }
    if (multi.is_open() && !found->is_immediate) return queue(request);
    if (const outcome ended = found->run(request); !ended) request.out.error(text_of(ended.error()));
}

outcome say_subcommand_unknown(call& request, std::string_view of) {
    std::string text = "ERR unknown subcommand '";
    text.append(up_to_nul(request.word(1)).substr(0, 128)).append("'. Try ").append(of).append(" HELP.");
    request.out.error(text);
    return {};
}

std::string_view up_to_nul(std::string_view text) noexcept { return text.substr(0, text.find('\0')); }

bool is_word(std::string_view text, std::string_view lower) noexcept {
    return std::ranges::equal(text, lower, {}, to_lower);
}

}  // namespace mini_redis
