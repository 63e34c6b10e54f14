// The same, for a lambda inside of several adaptors and try_.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include <chrono>
#include <memory>

using answer = eddy::poll_result<int>;

eddy::task<eddy::result<int>> use(std::unique_ptr<int> p) {
    using namespace std::chrono_literals;
#ifdef EDDY_CONTROL
    auto work =
        eddy::time::timeout(1s, eddy::race(eddy::poll_fn([p = std::move(p)](eddy::context&) -> answer { return *p; })));
    co_return co_await eddy::try_(work);
#else
    co_return co_await eddy::try_(eddy::time::timeout(
        1s, eddy::race(eddy::poll_fn([p = std::move(p)](eddy::context&) -> answer { return *p; }))));
#endif
}
