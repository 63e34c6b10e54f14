// SPDX-License-Identifier: MIT
#include "reactor/drivers/wake_pipe.hpp"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <utility>

#include "sys/syscall.hpp"

namespace eddy::detail {

result<wake_pipe> wake_pipe::make() noexcept {
    auto ends = sys::make_pipe();
    if (!ends) return std::unexpected(ends.error());
    wake_pipe made;
    made.from_ = std::move(ends->first);
    made.to_ = std::move(ends->second);
    return made;
}

void wake_pipe::ring() const noexcept {
    static_cast<void>(sys::retry_interrupted([this] { return ::write(to_.get(), "", 1); }));
}

void wake_pipe::drain() const noexcept {
    std::array<std::byte, 64> taken;
    while (sys::read(from_.get(), taken).value_or(0) == taken.size()) {
    }
}

}  // namespace eddy::detail
