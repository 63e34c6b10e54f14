// SPDX-License-Identifier: MIT
#include <eddy/io/buf_writer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <source_location>

#include "sys/print_report.hpp"

namespace eddy::detail {

void report_unflushed(std::size_t count, call_site where) noexcept {
    if (std::uncaught_exceptions() != 0) return;
    const std::source_location made_at = source_location_of(where);
    std::array<char, 1400> text;
    const int length =
        std::snprintf(text.data(), text.size(),
                      "eddy: a buf_writer was destroyed with %zu bytes that it had not written: await io::flush() or "
                      "io::shutdown() first. It was made at %s:%u\n",
                      count, made_at.file_name(), static_cast<unsigned>(made_at.line()));
    sys::print_report({text.data(), std::min(static_cast<std::size_t>(length), text.size() - 1)});
}

}  // namespace eddy::detail
