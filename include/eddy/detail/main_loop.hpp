// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <utility>

#include <eddy/runtime/core.hpp>

namespace eddy::inline v0_1::detail {

/// The event loop that run() uses in a build without threads.
class main_loop {
public:
    template <class F>
    auto block_on(F&& main, std::source_location where) {
        return loop_.run(std::forward<F>(main), where);
    }
    void wait_until_idle() { loop_.run_until_idle(); }

private:
    core loop_;
};

}  // namespace eddy::detail
