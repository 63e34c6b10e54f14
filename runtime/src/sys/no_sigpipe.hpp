// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>

#include <csignal>
#include <cstddef>
#include <ctime>
#include <system_error>

#include <eddy/result.hpp>

#include "sys/syscall.hpp"

namespace eddy::sys {

/// Blocks SIGPIPE for this thread during the lifetime of the object. run() makes a call that writes up to `wanted`
/// bytes, and discards a SIGPIPE that it has raised, unless one was already pending. A call that has written less may
/// have raised it, too: sendfile(2) and splice(2) return what they wrote before they met the error.
class no_sigpipe {
public:
    no_sigpipe() noexcept {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
        // A signal can only be pending if it was blocked.
        was_pending_ = sigismember(&before_, SIGPIPE) != 0 && is_pending();
    }
    no_sigpipe(const no_sigpipe&) = delete;
    no_sigpipe& operator=(const no_sigpipe&) = delete;
    ~no_sigpipe() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    template <class Write>
    result<std::size_t> run(std::size_t wanted, Write write) noexcept {
        auto count = count_or_error(retry_interrupted(write));
        if (count ? *count < wanted : count.error() == std::errc::broken_pipe) take_back();
        return count;
    }

private:
    static bool is_pending() noexcept {
        sigset_t pending;
        sigpending(&pending);
        return sigismember(&pending, SIGPIPE) != 0;
    }

    void take_back() const noexcept {
        if (was_pending_) return;  // pending signals are not counted: the pending one was there before
#if defined(__OpenBSD__)
        // OpenBSD has no sigtimedwait(2). Here sigwait(3) does not block, because the signal is pending. The kernel has
        // sent it to this thread, so no other thread can take it.
        int taken = 0;
        if (is_pending()) sigwait(&pipe_, &taken);
#else
        const timespec now{};
        static_cast<void>(retry_interrupted([&] { return sigtimedwait(&pipe_, nullptr, &now); }));
#endif
    }

    sigset_t pipe_;
    sigset_t before_;
    bool was_pending_ = false;
};

}  // namespace eddy::sys
