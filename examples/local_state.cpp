// SPDX-License-Identifier: MIT
// State without locks: a value per task (task_local), and tasks that never run at the same time (local_set).
//     $ ./local_state
//     request 7: hello
//     request 8: hello
//     outside of requests: no number
//     signed by Ada, Bjarne, Grace
#include <eddy/prelude.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace {

// ---- A value for each task ----

// A thread_local would not work: a task may resume on another thread after each co_await, and a thread runs many tasks.
constinit eddy::task_local<int> request_number;

/// Adds the number of the request. Works at any depth of calls in a request, without a parameter for the number.
std::string tag(const char* text) { return "request " + std::to_string(request_number.get()) + ": " + text; }

eddy::task<void> serve() {
    co_await eddy::yield_now();
    std::puts(tag("hello").c_str());
}

eddy::task<eddy::result<void>> serve_requests() {
    for (const int number : {7, 8}) {
        co_await eddy::try_(eddy::spawn(request_number.scope(number, serve())));
    }
    if (!request_number.try_get()) std::puts("outside of requests: no number");
    co_return eddy::ok();
}

// ---- Tasks that never run at the same time ----

// All guests share the book, which is not thread-safe.
using guest_book = std::shared_ptr<std::vector<std::string>>;

eddy::task<void> sign(guest_book book, std::string name) {
    co_await eddy::yield_now();  // other tasks run here, but not between two awaits
    book->push_back(std::move(name));
}

/// A local_set never polls two of its tasks at the same time, so they need no lock. Here one event loop drives the set,
/// so its tasks may also use data that belongs to this thread.
void sign_the_guest_book() {
    const auto book = std::make_shared<std::vector<std::string>>();
    eddy::core core;
    eddy::local_set guests;
    for (const char* name : {"Ada", "Bjarne", "Grace"}) guests.spawn_local(sign(book, name));
    core.run(guests);  // the set is a future: ready when no task is left in it

    std::string names;
    for (const auto& name : *book) names += (names.empty() ? "" : ", ") + name;
    std::printf("signed by %s\n", names.c_str());
}

}  // namespace

int main() {
    if (const int code = eddy::run(serve_requests()); code != 0) return code;
    sign_the_guest_book();
}
