// SPDX-License-Identifier: MIT
#include <eddy/io/buf_writer.hpp>

#include <cstdio>
#include <exception>
#include <source_location>

namespace eddy::detail {

void report_unflushed(std::size_t count, call_site where) noexcept {
    if (std::uncaught_exceptions() != 0) return;
    const std::source_location made_at = source_location_of(where);
    std::fprintf(stderr,
                 "eddy: a buf_writer was destroyed with %zu bytes that it had not written: await io::flush() or "
                 "io::shutdown() first. It was made at %s:%u\n",
                 count, made_at.file_name(), made_at.line());
}

}  // namespace eddy::detail
