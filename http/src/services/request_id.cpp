// SPDX-License-Identifier: MIT
#include <eddy/http/request_id.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string_view>

#include <eddy/detail/atomic.hpp>

#include "message/fields.hpp"

namespace eddy::detail {
namespace {

/// Returns whether an id of a client may be written to a log.
bool is_id(std::string_view text) noexcept {
    const auto is_allowed = [](char c) {
        return is_digit(c) || is_letter(c) || std::string_view("-_.:/+=").contains(c);
    };
    return !text.empty() && text.size() <= most_of_id && std::ranges::all_of(text, is_allowed);
}

/// Writes the 16 hexadecimal digits of a number.
void write_hex(char* to, std::uint64_t number) noexcept {
    for (char* at = to + 16; at != to; number >>= 4u) *--at = "0123456789abcdef"[number & 15u];
}

/// Returns a random number of this process, and the number of the request.
std::string make_id() {
    static const std::uint64_t process = [] {
        std::random_device source;
        return std::uint64_t{source()} << 32 | source();
    }();
    static atomic<std::uint64_t> last{0};
    std::string id(32, '0');
    write_hex(id.data(), process);
    // relaxed: nothing is read through it
    write_hex(id.data() + 16, last.fetch_add(1, std::memory_order_relaxed) + 1);
    return id;
}

}  // namespace

request_id_filter::pass request_id_filter::begin(http::request& asked) const {
    constexpr std::string_view name = "X-Request-Id";
    const auto given = asked.headers.get(name);
    if (!given) {
        auto id = make_id();
        header_access::add_checked(asked.headers, name, id);
        return pass(std::move(id));
    }
    std::string id = is_id(*given) ? std::string(*given) : make_id();
    asked.headers.set(name, id);
    return pass(std::move(id));
}

}  // namespace eddy::detail
