// expect-error: static assertion failed
// expect-error: eddy: this is a function, not a future: call it
// only-error
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include <chrono>

eddy::task<void> use() {
    const std::chrono::seconds limit(1);
    const auto work = []() -> eddy::task<int> { co_return 1; };
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::time::timeout(limit, work()));
#else
    static_cast<void>(co_await eddy::time::timeout(limit, work));
#endif
}
