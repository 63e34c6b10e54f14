// SPDX-License-Identifier: MIT
// Cleanup: work that must be finished, and cleanup that must run, when a deadline or a cancellation interrupts a task.
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

/// A session that must be closed. Logging out takes time, and a destructor cannot wait.
class session {
public:
    eddy::task<void> log_out() {
        co_await eddy::time::sleep(1ms);
        std::puts("  logged out");
    }
};

/// Two steps that must both be done.
eddy::task<void> transfer(eddy::time::time_point until) {
    std::puts("  one account is charged");
    co_await eddy::time::sleep_until(until);
    std::puts("  the other one is paid");
}

// docs: shielded
eddy::task<void> pay(bool is_slow) {
    // A child of a scope inherits the deadline around the scope. A slow transfer exceeds it.
    const auto deadline = eddy::current_deadline().value();
    const auto until = is_slow ? deadline + 1ms : eddy::time::clock::now();
    // If the task is cancelled here, it waits until the transfer has ended, and then ends.
    co_await eddy::shielded(transfer(until));
    std::puts("  a receipt is written");
}
// docs: end

// docs: finally
/// Logs out after the payment, whether it succeeded, failed or was cancelled.
eddy::task<void> use(session& account, bool is_slow) {
    co_await eddy::finally(pay(is_slow), [&account] { return account.log_out(); });
}
// docs: end

// docs: deadline
eddy::task<void> serve(const char* name, std::chrono::milliseconds limit, bool is_slow) {
    std::printf("a %s request\n", name);
    session account;
    // At the deadline the scope cancels its children and waits for them, so `account` outlives them.
    const auto answer = co_await eddy::with_deadline(limit, eddy::scope([&](auto& s) -> eddy::task<void> {
                                                         s.spawn(use(account, is_slow));
                                                         co_return;
                                                     }));
    std::puts(answer ? "  answered in time" : "  too late for an answer");
}
// docs: end

eddy::task<void> serve_both() {
    co_await serve("quick", 1h, false);
    co_await serve("slow", 200ms, true);
}

}  // namespace

// The clock is paused: it advances only when all tasks wait, to the next deadline. So the output does not depend on the
// machine's load.
int main() { eddy::core::builder().start_paused(true).build().value().run(serve_both()); }
