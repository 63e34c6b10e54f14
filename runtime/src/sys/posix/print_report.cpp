// SPDX-License-Identifier: MIT
#include "sys/print_report.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace eddy::sys {
namespace {

constinit std::atomic<unsigned> losses{0};

/// Standard error, so that a write does not block. O_NONBLOCK belongs to the open file, which other processes share, so
/// a pipe or terminal is opened again. Where that fails, or does the same as dup(2), as on the BSDs, a small write
/// follows poll(2): it blocks only if another thread has filled the pipe in between.
class report_output {
public:
    report_output() noexcept {
        struct stat file{};
        if (::fstat(STDERR_FILENO, &file) != 0 || S_ISREG(file.st_mode)) return;
        most_ = PIPE_BUF;
        if (!S_ISFIFO(file.st_mode) && !S_ISCHR(file.st_mode)) return;
        own_ = ::open("/dev/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (own_ >= 0 && (::fcntl(own_, F_GETFL) & O_NONBLOCK) != 0) most_ = SIZE_MAX;
    }
    report_output(const report_output&) = delete;
    report_output& operator=(const report_output&) = delete;
    ~report_output() {
        if (own_ >= 0) ::close(own_);
    }

    /// Returns false if some bytes were lost.
    [[nodiscard]] bool write(std::string_view text, std::chrono::milliseconds patience) const noexcept {
        while (!text.empty()) {
            if (!waits_for_room(patience)) return false;
            const auto count = ::write(fd(), text.data(), std::min(text.size(), most_));
            if (count >= 0) {
                text.remove_prefix(static_cast<std::size_t>(count));
            } else if (errno != EINTR && errno != EAGAIN) {
                return true;  // there is no standard error to which the loss could be reported
            }
        }
        return true;
    }

private:
    [[nodiscard]] int fd() const noexcept { return own_ >= 0 ? own_ : STDERR_FILENO; }

    [[nodiscard]] bool waits_for_room(std::chrono::milliseconds patience) const noexcept {
        using std::chrono::steady_clock;
        pollfd one{fd(), POLLOUT, 0};
        const auto deadline = steady_clock::now() + patience;
        for (auto left = patience;;) {
            const int ready = ::poll(&one, 1, static_cast<int>(left.count()));
            if (ready >= 0 || errno != EINTR) return ready > 0;
            // Rounded up: poll(2) counts whole milliseconds.
            left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
            left = std::max(left, std::chrono::milliseconds(0));  // not -1, which is no limit
        }
    }

    int own_ = -1;
    std::size_t most_ = SIZE_MAX;  // of one write
};

/// Prints how many reports were lost, if any were.
bool print_losses(const report_output& to, std::chrono::milliseconds patience) noexcept {
    // relaxed, all: nothing else depends on the number.
    const unsigned count = losses.exchange(0, std::memory_order_relaxed);
    if (count == 0) return true;
    char text[128];
    const int size = std::snprintf(
        text, sizeof text, "\neddy: %u report%s before this one %s lost, or not whole: standard error was full\n",
        count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
    if (to.write({text, static_cast<std::size_t>(size)}, patience)) return true;
    losses.fetch_add(count, std::memory_order_relaxed);
    return false;
}

}  // namespace

void print_report(std::string_view text, std::chrono::milliseconds patience) noexcept {
    const report_output to;
    if (print_losses(to, patience) && to.write(text, patience)) return;
    losses.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace eddy::sys
