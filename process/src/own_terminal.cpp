// SPDX-License-Identifier: MIT
#include <eddy/process/own_terminal.hpp>

#include <optional>
#include <utility>

#include <eddy/signal/kind.hpp>
#include <eddy/signal/signal_stream.hpp>

#include "sys/raw_mode.hpp"
#include "sys/terminals.hpp"

namespace eddy::process {

eddy::result<raw_mode> raw_mode::begin(int fd) {
    if (const auto begun = eddy::sys::begin_raw_mode(fd); !begun) return std::unexpected(begun.error());
    return raw_mode();
}

raw_mode& raw_mode::operator=(raw_mode&& other) noexcept {
    raw_mode before(std::move(other));
    std::swap(is_on_, before.is_on_);
    return *this;
}

raw_mode::~raw_mode() {
    if (is_on_) eddy::sys::end_raw_mode();
}

eddy::result<window_size> own_size(int fd) { return eddy::sys::size_of_terminal(fd); }

namespace {

async_generator<window_size> report_sizes(int fd, signal::signal_stream changes) {
    std::optional<window_size> last;
    for (;;) {
        const auto now = eddy::sys::size_of_terminal(fd);
        if (now && now != last) {
            last = *now;
            co_yield *now;
        }
        const auto changed = co_await changes.next();
        if (!changed) co_return;
    }
}

}  // namespace

eddy::result<async_generator<window_size>> own_sizes(int fd) {
    // The stream first: a change between both calls is not missed.
    auto changes = signal::stream(signal::kind::window_change());
    if (!changes) return std::unexpected(changes.error());
    if (const auto now = own_size(fd); !now) return std::unexpected(now.error());
    return report_sizes(fd, *std::move(changes));
}

}  // namespace eddy::process
