// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace support {

/// A future that is never ready, and whose poll_cancel throws at the first call. `asked` counts the calls of
/// poll_cancel; several futures may share it.
class throws_when_cancelled : public eddy::future_ops<throws_when_cancelled> {
public:
    using output_type = int;

    explicit throws_when_cancelled(int& asked) noexcept : asked_(&asked) {}
    eddy::poll_result<int> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) {
        if (++*asked_ == 1) throw std::runtime_error("on purpose");
        return eddy::poll_result<void>::ready();
    }

private:
    int* asked_;
};

}  // namespace support
