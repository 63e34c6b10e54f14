// SPDX-License-Identifier: MIT
// Callbacks and coroutines of other libraries, in tasks:
//  - a C library that calls back with a void*: completion
//  - an awaitable of another coroutine library: from_awaitable
//  - a coroutine of another library that awaits an eddy future: as_awaitable
//     $ ./callbacks
//     the library answered 42
//     the awaitable answered 7
//     the other coroutine got 43
#include <eddy/interop.hpp>
#include <eddy/prelude.hpp>

#include <coroutine>
#include <cstdio>
#include <exception>
#include <thread>
#include <vector>

namespace {

// ---- Another library: it answers on threads of its own ----

std::vector<std::thread> library_threads;  // not std::jthread, which libc++ 19 does not have

extern "C" void library_ask(int question, void (*callback)(void* user, int answer), void* user) {
    library_threads.emplace_back([=] { callback(user, question * 2); });
}

struct library_awaitable {
    int answer;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
        library_threads.emplace_back([waiting] { waiting.resume(); });
    }
    int await_resume() const noexcept { return answer; }
};

struct library_coroutine {
    struct promise_type {
        library_coroutine get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

// ---- Its callback completes a future ----

using answer = eddy::completion<int>;

// docs: callback
eddy::task<eddy::result<int>> ask(int question) {
    auto [done, response] = answer::make();
    library_ask(
        question, [](void* user, int value) { answer::handler::from_raw(user)(value); }, std::move(done).into_raw());
    co_return co_await std::move(response);
}
// docs: end

eddy::task<int> add_one(int number) { co_return number + 1; }

library_coroutine other_coroutine(eddy::handle executor, int number, eddy::completion<int>::handler done) {
    auto sum = eddy::as_awaitable(executor, add_one(number));
    done(co_await sum);
}

eddy::task<eddy::result<void>> talk() {
    const int first = co_await eddy::try_(ask(21));
    std::printf("the library answered %d\n", first);

    // GCC 12: write T(x), not T{x}, in an await. It destroys an aggregate twice; see docs/compilers.md.
    const int second = co_await eddy::from_awaitable(library_awaitable(7));
    std::printf("the awaitable answered %d\n", second);

    auto [done, sum] = answer::make();
    other_coroutine(eddy::handle::current(), first, std::move(done));
    const int third = co_await eddy::try_(std::move(sum));
    std::printf("the other coroutine got %d\n", third);
    co_return eddy::ok();
}

}  // namespace

int main() {
    const int status = eddy::run(talk());
    for (auto& each : library_threads) each.join();
    return status;
}
