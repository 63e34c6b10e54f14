// SPDX-License-Identifier: MIT
#include <eddy/http/server_timing.hpp>

#include <chrono>
#include <cstdint>

#include <eddy/error.hpp>

#include "message/fields.hpp"

namespace eddy::detail {

server_timing_filter::server_timing_filter(std::string_view name, const std::source_location& where) : name_(name) {
    if (!is_token(name)) throw misuse("the name in server_timing() must be a token, without spaces", where);
}

void server_timing_filter::pass::finish(http::response& answer) const {
    using std::chrono::microseconds;
    const auto time = std::chrono::duration_cast<microseconds>(time::clock::now() - start_).count();
    header_access::add_checked(answer.headers, "Server-Timing",
                               *name_ + ";dur=" + to_decimal(static_cast<std::uint64_t>(time), 3));
}

}  // namespace eddy::detail
