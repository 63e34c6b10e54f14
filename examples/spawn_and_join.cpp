// SPDX-License-Identifier: MIT
// Spawning: tasks that run concurrently, and what their handles return.
//     $ ./spawn_and_join
//     6 * 7 = 42
//     "17" is 17
//     "seventeen": Invalid argument
//     "": nothing to parse
//     try_ returns 18
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

/// Wrong text is an expected failure: an error in the result. Empty text is a mistake of the caller: an exception.
eddy::task<eddy::result<int>> parse(std::string text) {
    if (text.empty()) throw std::invalid_argument("nothing to parse");
    co_await eddy::yield_now();  // the task may resume on another thread
    int value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc()) co_return std::unexpected(std::make_error_code(parsed.ec));
    co_return value;
}

/// A handle's output has two layers. The outer one says whether the task returned; if not, its join_error says whether
/// the task was cancelled or threw. The inner one is the output of the task, here a result.
void describe(const char* text, const std::expected<eddy::result<int>, eddy::join_error>& outcome) {
    try {
        if (!outcome) outcome.error().rethrow();  // throws what the task threw; `outcome.value()` would lose the text
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
    auto product = eddy::spawn(multiply(6, 7));  // runs from here on, awaited or not
    auto outcome = co_await product;
    if (!outcome) outcome.error().rethrow();
    std::printf("6 * 7 = %d\n", *outcome);

    // ---- Two layers of errors ----
    for (const char* text : {"17", "seventeen", ""}) {
        auto parsed = co_await eddy::spawn(parse(text));
        describe(text, parsed);
    }

    // A shorter form. The first try_ throws what the task threw, or ends this coroutine with errc::task_cancelled. The
    // second try_ ends this coroutine with the error that the task returned.
    auto parsed = co_await eddy::try_(eddy::spawn(parse("18")));
    const int number = co_await eddy::try_(std::move(parsed));
    std::printf("try_ returns %d\n", number);

    // ---- Cancelling ----
    auto nap = eddy::spawn(eddy::time::sleep(1h));  // any future can be spawned
    nap.abort();                                    // dropping the handle would only detach the task
    auto woken = co_await nap;
    if (!woken && woken.error().is_cancelled()) std::puts("the nap was cancelled");

    // ---- Many tasks, joined in the order of completion ----
    eddy::join_set<int> squares;  // its destructor aborts the remaining tasks
    for (int n = 1; n <= 4; ++n) squares.spawn(multiply(n, n));
    int sum = 0;
    while (auto square = co_await squares.join_next()) {  // nullopt if the set is empty
        sum += co_await eddy::try_(*square);
    }
    std::printf("the squares of 1 to 4 add up to %d\n", sum);
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(async_main()); }
