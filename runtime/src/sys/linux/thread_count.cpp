// SPDX-License-Identifier: MIT
#include "sys/thread_count.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

#include "sys/fd.hpp"

namespace eddy::sys {

std::optional<std::size_t> thread_count() noexcept {
    // The kernel writes the number while it holds a lock that the start and the end of a thread need. (The entries of
    // the folder `task` are not of one moment.)
    const unique_fd status(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(status.get(), bytes.data(), bytes.size());
    if (size <= 0) return std::nullopt;
    std::string_view text(bytes.data(), static_cast<std::size_t>(size));
    static constexpr std::string_view title = "\nThreads:\t";
    const std::size_t at = text.find(title);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + title.size());
    std::size_t count = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
    return parsed.ec == std::errc() && count != 0 ? std::optional(count) : std::nullopt;
}

}  // namespace eddy::sys
