// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>

#include <eddy/error.hpp>

#include "sys/content_calls.hpp"

namespace eddy::sys {

result<void> write_all(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept {
    while (!from.empty()) {
        const auto count = write_some(fd, from, offset);
        if (!count) return std::unexpected(count.error());
        if (*count == 0) return std::unexpected(make_error_code(errc::write_zero));
        from = from.subspan(*count);
        offset += *count;
    }
    return {};
}

}  // namespace eddy::sys
