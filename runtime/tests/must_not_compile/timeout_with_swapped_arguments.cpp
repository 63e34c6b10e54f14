// expect-error: eddy: the limit of a timeout is its first argument
// only-error
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/time/try_timeout.hpp>

#include <chrono>

eddy::task<int> work();

eddy::task<void> use() {
    const std::chrono::seconds limit(1);
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::time::timeout(limit, work()));
    static_cast<void>(co_await eddy::time::try_timeout(limit, work()));
#else
    static_cast<void>(co_await eddy::time::try_timeout(work(), limit));
#endif
}
