// SPDX-License-Identifier: MIT
// Four ways to hang. The page "My program hangs" (inspect/docs/hangs.md) finds the cause of each with `eddy tree` and
// gdb.
//     $ ./stuck deadlock                ends after a second
//     $ ./stuck deadlock --forever &    hangs until it is killed
//     $ eddy tree $(pidof stuck)
#include <eddy/prelude.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using eddy::task;
namespace sync = eddy::sync;

// docs: deadlock
struct settings {
    sync::mutex<int> in_memory{0};
    sync::mutex<int> on_disk{0};
};

task<void> save(std::shared_ptr<settings> of) {
    auto from = co_await of->in_memory.lock();
    co_await eddy::time::sleep(1ms);
    auto to = co_await of->on_disk.lock();
    *to = *from;
}

task<void> load(std::shared_ptr<settings> of) {
    auto from = co_await of->on_disk.lock();
    co_await eddy::time::sleep(1ms);
    auto to = co_await of->in_memory.lock();
    *to = *from;
}

task<void> deadlock() {
    const auto shared = std::make_shared<settings>();
    auto saved = eddy::task_builder().name("save").spawn(save(shared));
    auto loaded = eddy::task_builder().name("load").spawn(load(shared));
    static_cast<void>(co_await saved);
    static_cast<void>(co_await loaded);
}
// docs: end

// docs: stall
task<void> serve_client() {
    for (;;) co_await eddy::time::sleep(10ms);  // stands for requests
}

task<void> write_report() {
    std::this_thread::sleep_for(1h);  // stands for a library's function that waits for a server
    co_return;
}

task<void> stall() {
    auto client = eddy::task_builder().name("client").spawn(serve_client());
    auto report = eddy::task_builder().name("report").spawn(write_report());
    static_cast<void>(co_await client);
    static_cast<void>(co_await report);
}
// docs: end

std::chrono::seconds opening_hours = 1h;

// docs: leak
using commands = sync::mpsc<std::string>;
std::vector<commands::sender> clients;

task<void> run_commands(commands::receiver from) {
    while (auto next = co_await from.recv()) std::puts(next->c_str());
}

task<void> leak() {
    for (int i = 0; i < 20; ++i) {
        auto [sender, receiver] = commands::channel(8);
        eddy::spawn(run_commands(std::move(receiver))).detach();
        clients.push_back(std::move(sender));  // and never erased, although the client has gone
    }
    co_await eddy::time::sleep(opening_hours);  // stands for more clients
}
// docs: end

// docs: wait
task<void> wait() {
    auto [sender, receiver] = sync::oneshot<int>::channel();
    auto sum = co_await std::move(receiver);  // nothing sends: `sender` is still here
    std::printf("the sum is %d\n", sum.value());
}
// docs: end

/// Ends the program. On a thread of its own, because a blocked event loop has no timers.
void end_after_a_second() {
    std::thread([] {
        std::this_thread::sleep_for(1s);
        std::puts("still stuck after a second");
        std::fflush(stdout);
        std::_Exit(0);
    }).detach();
}

}  // namespace

int main(int argc, char** argv) {
    const std::map<std::string_view, task<void> (*)()> kinds{
        {"deadlock", deadlock}, {"stall", stall}, {"leak", leak}, {"wait", wait}};
    const auto kind = kinds.find(argc > 1 ? argv[1] : "");
    if (kind == kinds.end()) {
        std::fputs("usage: stuck deadlock|stall|leak|wait [--forever]\n", stderr);
        return 2;
    }
    const bool ends = argc < 3 || argv[2] != "--forever"sv;
    if (ends && kind->first == "leak")
        opening_hours = 1s;
    else if (ends)
        end_after_a_second();
    std::puts("in another terminal: eddy tree $(pidof stuck)");
    std::fflush(stdout);
    auto loop = eddy::core::builder().report_deadlocks(true).build().value();
    loop.run(kind->second());
}
