// SPDX-License-Identifier: MIT
// Work sent to a loop from another thread: only the remote crosses threads, not the futures that it starts.
//     $ ./remote_work
//     the listener was made on the loop's thread: yes
//     the loop says: hello from another thread
//     6 * 7 = 42, computed on a loop of its own
#include <eddy/prelude.hpp>

#include <cstdio>

namespace {

eddy::net::socket_addr any_local_address() { return {eddy::net::ip_addr::v4_loopback(), 0}; }

/// Sends a greeting to the listener at `to`.
eddy::task<void> greet(eddy::net::socket_addr to) {
    auto stream = co_await eddy::net::tcp_stream::connect(to);
    if (!stream) co_return;
    static_cast<void>(co_await stream->write_all("hello from another thread"));
}

}  // namespace

int main() {
    eddy::core core;
    const auto loop_thread = std::this_thread::get_id();
    auto [sender, is_done] = eddy::sync::oneshot<void>::channel();

    // docs: remote
    // A core_handle is for the loop's thread only. A core_remote can be copied and used on any thread.
    eddy::core_remote remote = core.remote();
    std::thread other([remote, loop_thread, done = std::move(sender)]() mutable {
        remote.spawn([loop_thread, done = std::move(done)](eddy::core_handle& handle) mutable -> eddy::task<void> {
            // This runs on the loop's thread. A core_handle is available only there. The closure lives as long as this
            // coroutine, so its captures may be used after each await.
            std::printf("the listener was made on the loop's thread: %s\n",
                        std::this_thread::get_id() == loop_thread ? "yes" : "no");
            auto listener = eddy::net::tcp_listener::bind(any_local_address(), handle).value();
            handle.spawn(greet(listener.local_addr().value()));

            auto client = co_await listener.accept();
            while (auto data = co_await client->stream.receive()) {  // bytes in a leased buffer of the loop
                if (data->empty()) break;
                // SAFETY: bytes may be read as char, and the lease keeps them alive.
                std::printf("the loop says: %.*s\n", static_cast<int>(data->size()),
                            reinterpret_cast<const char*>(data->data()));
            }
            static_cast<void>(done.send({}));
        });
    });
    static_cast<void>(core.run(std::move(is_done)));
    other.join();
    // docs: end

    // docs: core_thread
    // A loop on its own thread: call() sends work to it, and get() waits for the output.
    eddy::core_thread worker;
    auto product = worker.remote().call([](eddy::core_handle&) -> eddy::task<int> { co_return 6 * 7; });
    std::printf("6 * 7 = %d, computed on a loop of its own\n", product.get());
    // docs: end
}
