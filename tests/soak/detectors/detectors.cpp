// SPDX-License-Identifier: MIT
// Switches on the detectors that have no environment variable. It is linked into the servers of soak.py:
//     DETECTORS_PAGE=1       also serves the page about the process, and prints its address
//     DETECTORS_FAULTS=1     causes a stall, a suspected deadlock and leaks, to show that they are found
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include <eddy/inspect.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/task.hpp>

namespace {

using namespace std::chrono_literals;
using shared_lock = std::shared_ptr<eddy::sync::mutex<int>>;

eddy::task<void> lock_twice(shared_lock lock) {
    const auto first = co_await lock->lock();
    const auto second = co_await lock->lock();
}

eddy::task<void> block_thread() {
    std::this_thread::sleep_for(2s);
    co_return;
}

class detectors {
public:
    detectors() {
        static_cast<void>(eddy::report_suspected_deadlocks({.longer_than = 2s, .at_least = 2}).value());
        if (std::getenv("DETECTORS_PAGE") != nullptr) {
            page_ = eddy::inspect::serve("127.0.0.1:0").value();
            std::printf("page on %s\n", page_->address().to_string().c_str());
        }
        if (std::getenv("DETECTORS_FAULTS") == nullptr) return;
        const auto lock = std::make_shared<eddy::sync::mutex<int>>(0);
        for (int i = 0; i < 3; ++i) pool_.spawn(lock_twice(lock)).detach();
        pool_.spawn(block_thread()).detach();
    }

private:
    // Waits that cannot end are found while this runtime exists, those of all executors of the process.
    eddy::runtime pool_ = eddy::runtime::builder().worker_threads(1).report_deadlocks(true).build().value();
    std::optional<eddy::inspect::server> page_;
};

const detectors all_detectors;

}  // namespace
