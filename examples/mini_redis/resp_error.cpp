// SPDX-License-Identifier: MIT
#include "resp_error.hpp"

#include <string>

namespace mini_redis {
namespace {

class resp_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "resp"; }

    [[nodiscard]] std::string message(int value) const override {
        constexpr int dollar = static_cast<int>(resp_errc::no_dollar);
        if (value >= dollar)
            return std::string("Protocol error: expected '$', got '") + printable(value - dollar) + "'";
        return "Protocol error: " + what(static_cast<resp_errc>(value));
    }

private:
    // As in Redis, a message is one line.
    static char printable(int byte) noexcept { return byte == '\r' || byte == '\n' ? ' ' : static_cast<char>(byte); }

    static std::string what(resp_errc value) {
        switch (value) {
        case resp_errc::bad_array_length: return "invalid multibulk length";
        case resp_errc::bad_bulk_length: return "invalid bulk length";
        case resp_errc::array_length_too_long: return "too big mbulk count string";
        case resp_errc::bulk_length_too_long: return "too big bulk count string";
        case resp_errc::line_too_long: return "too big inline request";
        case resp_errc::unbalanced_quotes: return "unbalanced quotes in request";
        case resp_errc::frame_too_large: return "too big request";
        case resp_errc::unknown_type: return "unknown reply type";
        case resp_errc::bad_number: return "invalid number in a reply";
        case resp_errc::nested_too_deep: return "reply nested too deep";
        case resp_errc::no_dollar: break;
        }
        return "unknown";
    }
};

}  // namespace

std::error_code make_error_code(resp_errc what) noexcept {
    static const resp_category category;
    return {static_cast<int>(what), category};
}

}  // namespace mini_redis
