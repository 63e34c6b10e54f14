// SPDX-License-Identifier: MIT
// Cleaning up: what has to be finished, and what has to be undone, when a deadline or a cancellation cuts work short.
//     $ ./cleanup
//     a quick request
//       one account is charged
//       the other one is paid
//       a receipt is written
//       logged out
//       answered in time
//     a slow request
//       one account is charged
//       the other one is paid
//       logged out
//       too late for an answer
#include <eddy/prelude.hpp>

#include <cstdio>

namespace {

using namespace std::chrono_literals;

/// Somewhere that wants to hear when we leave. It takes a moment to say so, and a destructor cannot wait.
class session {
public:
    eddy::task<void> log_out() {
        co_await eddy::time::sleep(1ms);
        std::puts("  logged out");
    }
};

/// Two halves, of which nobody may do one without the other.
eddy::task<void> transfer(eddy::time::time_point until) {
    std::puts("  one account is charged");
    co_await eddy::time::sleep_until(until);
    std::puts("  the other one is paid");
}

eddy::task<void> pay(bool is_slow) {
    // A child of a scope sees the deadline around that. A slow transfer takes longer.
    const auto deadline = eddy::current_deadline().value();
    const auto until = is_slow ? deadline + 1ms : eddy::time::clock::now();
    // Cancelled here, the task waits until the transfer has ended, and goes no further.
    co_await eddy::shielded(transfer(until));
    std::puts("  a receipt is written");
}

/// Logs out whatever becomes of the payment: done, failed, or cancelled.
eddy::task<void> use(session& account, bool is_slow) {
    co_await eddy::finally(pay(is_slow), [&account] { return account.log_out(); });
}

eddy::task<void> serve(const char* name, std::chrono::milliseconds limit, bool is_slow) {
    std::printf("a %s request\n", name);
    session account;
    // When the deadline has passed, the scope cancels its children and waits for them: so `account` is still there for
    // them.
    const auto answer = co_await eddy::with_deadline(limit, eddy::scope([&](auto& s) -> eddy::task<void> {
                                                         s.spawn(use(account, is_slow));
                                                         co_return;
                                                     }));
    std::puts(answer ? "  answered in time" : "  too late for an answer");
}

eddy::task<void> serve_both() {
    co_await serve("quick", 1h, false);
    co_await serve("slow", 200ms, true);
}

}  // namespace

// The clock is paused: it stands still while anybody works, and jumps to the next deadline when all wait. So the slow
// request is late on a busy machine, too, and by as much.
int main() { eddy::core::builder().start_paused(true).build().value().run(serve_both()); }
