// SPDX-License-Identifier: MIT
// Spawning: tasks that run beside the one that starts them, and what their handles say at the end.
//     $ ./spawn_and_join
//     6 * 7 = 42
//     "17" is 17
//     "seventeen": Invalid argument
//     "": nothing to parse
//     try_ gives 18
//     the nap was cancelled
//     the squares of 1 to 4 add up to 30
#include <eddy/prelude.hpp>

#include <charconv>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

eddy::task<int> multiply(int a, int b) { co_return a* b; }

/// Wrong text is an outcome that callers expect: an error in the result. Empty text is a mistake of theirs: an
/// exception.
eddy::task<eddy::result<int>> parse(std::string text) {
    if (text.empty()) throw std::invalid_argument("nothing to parse");
    co_await eddy::yield_now();  // whatever it waits for: it may go on on another thread
    int value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc()) co_return std::unexpected(std::make_error_code(parsed.ec));
    co_return value;
}

/// A handle's output has two layers. The outer one is the task's: did it come to its end? If not, a join_error says
/// whether it was cancelled or threw. The inner one is what the task has returned, here a result.
void describe(const char* text, const std::expected<eddy::result<int>, eddy::join_error>& outcome) {
    try {
        if (!outcome) outcome.error().rethrow();  // what the task threw; `outcome.value()` would lose its text
        const eddy::result<int>& returned = *outcome;
        if (returned)
            std::printf("\"%s\" is %d\n", text, *returned);
        else
            std::printf("\"%s\": %s\n", text, returned.error().message().c_str());
    } catch (const std::exception& thrown) {
        std::printf("\"%s\": %s\n", text, thrown.what());
    }
}

eddy::task<eddy::result<void>> async_main() {
    // ---- One task ----
    auto product = eddy::spawn(multiply(6, 7));  // it runs from now on, whether or not it is awaited
    auto outcome = co_await product;
    if (!outcome) outcome.error().rethrow();
    std::printf("6 * 7 = %d\n", *outcome);

    // ---- Two layers of errors ----
    for (const char* text : {"17", "seventeen", ""}) {
        auto parsed = co_await eddy::spawn(parse(text));
        describe(text, parsed);
    }

    // The same in short. The first try_ ends this coroutine with errc::task_cancelled if the task was cancelled, and
    // throws what it threw; the second ends it with the task's own error.
    auto parsed = co_await eddy::try_(eddy::spawn(parse("18")));
    const int number = co_await eddy::try_(std::move(parsed));
    std::printf("try_ gives %d\n", number);

    // ---- Cancelling ----
    auto nap = eddy::spawn(eddy::time::sleep(1h));  // any future can be spawned
    nap.abort();                                    // dropping the handle would only detach the task
    auto woken = co_await nap;
    if (!woken && woken.error().is_cancelled()) std::puts("the nap was cancelled");

    // ---- Many tasks, joined in the order in which they end ----
    eddy::join_set<int> squares;  // dropping it aborts those that are left
    for (int n = 1; n <= 4; ++n) squares.spawn(multiply(n, n));
    int sum = 0;
    while (auto square = co_await squares.join_next()) {  // nothing once the set is empty
        sum += co_await eddy::try_(*square);
    }
    std::printf("the squares of 1 to 4 add up to %d\n", sum);
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(async_main()); }
