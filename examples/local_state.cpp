// SPDX-License-Identifier: MIT
// State without locks: a value that goes with a task (task_local), and tasks that take turns (local_set).
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

// Not thread_local: a task of the pool may go on on another thread after each co_await, and threads run many tasks.
constinit eddy::task_local<int> request_number;

/// However deep in the calls of a request: nobody had to hand the number down.
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

// ---- Tasks that take turns ----

// Shared, and not thread-safe.
using guest_book = std::shared_ptr<std::vector<std::string>>;

eddy::task<void> sign(guest_book book, std::string name) {
    co_await eddy::yield_now();  // the others run meanwhile: between two awaits nobody does
    book->push_back(std::move(name));
}

/// A local_set never polls two of its tasks at the same time, so they need no lock. Here one loop drives it, on this
/// thread; there its tasks may use what belongs to the thread, too.
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
