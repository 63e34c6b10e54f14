// SPDX-License-Identifier: MIT
#include <eddy/signal/detail/blocked_signals.hpp>

#include <pthread.h>

#include <csignal>
#include <new>

#include "sys/fault_signals.hpp"

namespace eddy::detail {

static_assert(sizeof(sigset_t) <= 128);

blocked_signals::blocked_signals() noexcept {
    sigset_t most;
    static_cast<void>(sigfillset(&most));  // macros on macOS
    for (const int fault : sys::fault_signals) static_cast<void>(sigdelset(&most, fault));
    ::pthread_sigmask(SIG_BLOCK, &most, new (before_.data()) sigset_t);
}

blocked_signals::~blocked_signals() {
    // SAFETY: the constructor has made the object.
    ::pthread_sigmask(SIG_SETMASK, std::launder(reinterpret_cast<const sigset_t*>(before_.data())), nullptr);
}

}  // namespace eddy::detail
