// SPDX-License-Identifier: MIT
// Work sent to a loop from another thread: the remote crosses threads, the futures that it starts need not.
//     $ ./remote_work
//     the listener was made on the loop's thread: yes
//     the loop says: hello from another thread
//     6 * 7 = 42, computed on a loop of its own
#include <eddy/prelude.hpp>

#include <cstdio>
#include <string_view>

namespace {

eddy::net::socket_addr any_local_address() { return {eddy::net::ip_addr::v4_loopback(), 0}; }

/// Says hello to whoever listens at `to`.
eddy::task<void> greet(eddy::net::socket_addr to) {
    auto stream = co_await eddy::net::tcp_stream::connect(to);
    if (stream) co_await stream->write_all(std::as_bytes(std::span(std::string_view("hello from another thread"))));
}

}  // namespace

int main() {
    eddy::core core;
    const auto loop_thread = std::this_thread::get_id();
    auto [sender, is_done] = eddy::sync::oneshot<void>::channel();

    // A core_handle belongs to the loop's thread; a core_remote is copyable, and for any thread.
    eddy::core_remote remote = core.remote();
    std::thread other([remote, loop_thread, done = std::move(sender)]() mutable {
        remote.spawn([loop_thread, done = std::move(done)](eddy::core_handle& handle) mutable -> eddy::task<void> {
            // This runs on the loop: the handle is the proof. The closure lives as long as this coroutine does, so what
            // it has captured may be used after each await.
            std::printf("the listener was made on the loop's thread: %s\n",
                        std::this_thread::get_id() == loop_thread ? "yes" : "no");
            auto listener = eddy::net::tcp_listener::bind(any_local_address(), handle).value();
            handle.spawn(greet(listener.local_addr().value()));

            auto client = co_await listener.accept();
            while (auto data = co_await client->stream.receive()) {  // bytes in a buffer of the loop's, leased to us
                if (data->empty()) break;
                std::printf("the loop says: %.*s\n", static_cast<int>(data->size()),
                            reinterpret_cast<const char*>(data->data()));
            }
            static_cast<void>(done.send({}));
        });
    });
    static_cast<void>(core.run(std::move(is_done)));
    other.join();

    // A loop on a thread of its own: call() ships work there, and get() waits for what it made.
    eddy::core_thread worker;
    auto product = worker.remote().call([](eddy::core_handle&) -> eddy::task<int> { co_return 6 * 7; });
    std::printf("6 * 7 = %d, computed on a loop of its own\n", product.get());
}
