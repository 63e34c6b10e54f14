// SPDX-License-Identifier: MIT
// A page about this program: its tasks, what they wait for, and how busy the workers are. Open the address in a
// browser.
//     $ ./inspect_page
//     http://127.0.0.1:6670/
// From another machine: ssh -L 6670:localhost:6670 HOST, then http://localhost:6670/
#include <eddy/inspect.hpp>
#include <eddy/prelude.hpp>

#include <cstdio>
#include <string>

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;

using orders = eddy::sync::mpsc<int>;

task<void> count(int most) {
    for (int i = 0; i < most; ++i) co_await eddy::consume_budget();
}

task<void> take_orders(orders::sender to) {
    for (int i = 0;; i = (i + 37) % 1000) {
        co_await eddy::time::sleep(20ms);
        const auto sent = co_await to.send(i);
        if (!sent) co_return;
    }
}

task<void> cook(orders::receiver from) {
    for (;;) {
        const auto order = co_await from.recv();
        if (!order) co_return;
        co_await count(100 * *order);
    }
}

task<void> serve_tables(eddy::sync::notify& closing) { co_await closing.notified(); }

task<result<void>> run(std::string address) {
    // docs: page
    const auto page = eddy::inspect::serve(address);
    if (!page) co_return std::unexpected(page.error());
    std::printf("http://%s/\n", page->address().to_string().c_str());
    // docs: end
    std::fflush(stdout);

    eddy::sync::notify closing;
    auto [to, from] = orders::channel(8);
    co_await eddy::scope([&](auto& s) -> task<void> {
        s.spawn(take_orders(std::move(to)));
        s.spawn(cook(std::move(from)));
        for (int i = 0; i < 100; ++i) s.spawn(serve_tables(closing));
        co_return;
    });
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    // docs: measured runtime
    auto runtime = eddy::runtime::builder().task_statistics(true).poll_time_histogram(true).build().value();
    // docs: end
    const auto ended = runtime.block_on(run(argc > 1 ? argv[1] : "127.0.0.1:6670"));
    if (!ended) std::fprintf(stderr, "inspect_page: %s\n", ended.error().message().c_str());
    return ended ? 0 : 1;
}
