// SPDX-License-Identifier: MIT
// Under the hood: the parts of a socket, and the selector without futures.
// A source has a descriptor, a registration connects it to the reactor, and tasks wait for its readiness.
//     $ ./under_the_hood
//     the future saw 3 ticks
//     the selector saw token 7: readable
#include <eddy/prelude.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace {

// A user-defined source: a class with a native handle. This one is an eventfd(2), a counter in the kernel. It owns its
// descriptor, so it can be moved but not copied.
struct counter {
    counter() = default;
    counter(counter&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    counter& operator=(counter&& other) noexcept {
        std::swap(fd, other.fd);
        return *this;
    }
    ~counter() {
        if (fd >= 0) ::close(fd);
    }

    int native_handle() const { return fd; }

    int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

eddy::task<eddy::result<void>> with_futures() {
    // docs: registration
    // Registers the descriptor immediately with this thread's event loop. The constructor throws on an error; make()
    // returns a result.
    eddy::io::poll_evented<counter> source(counter{}, eddy::io::interest::readable);

    std::thread other([fd = source.source().native_handle()] { ::eventfd_write(fd, 3); });

    // poll_fn makes any polling function awaitable. This one returns not_ready until the reactor has seen an event.
    const auto wait = [&](eddy::context& cx) { return source.registration().poll_read_ready(cx); };
    auto ready = co_await eddy::poll_fn(wait);
    other.join();
    co_await eddy::try_(std::move(ready));
    // docs: end

    eventfd_t ticks = 0;
    ::eventfd_read(source.source().native_handle(), &ticks);
    std::printf("the future saw %llu ticks\n", static_cast<unsigned long long>(ticks));
    co_return {};
}

void without_futures() {
    const counter source;
    ::eventfd_write(source.native_handle(), 1);

    // docs: selector
    eddy::sys::poll poll;
    eddy::sys::events events(16);
    poll.registry().add(source.native_handle(), eddy::sys::token{7}, eddy::io::interest::readable).value();
    poll.wait(events, std::chrono::seconds(1)).value();
    for (const auto& event : events) {
        std::printf("the selector saw token %llu: %s\n", static_cast<unsigned long long>(event.token().value),
                    event.is_readable() ? "readable" : "something else");
    }
    // docs: end
}

}  // namespace

int main() {
    if (const int code = eddy::run(with_futures()); code != 0) return code;
    without_futures();
}
