// expect-error: static assertion failed
// expect-error: eddy: retry takes a function without parameters that returns a new future for each attempt
// only-error
#include <eddy/future/retry.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

eddy::task<eddy::result<int>> attempt();

eddy::task<void> use() {
#ifdef EDDY_CONTROL
    auto got = co_await eddy::retry(eddy::time::backoff(), [] { return attempt(); });
#else
    auto got = co_await eddy::retry(eddy::time::backoff(), attempt());
#endif
    static_cast<void>(got.has_value());
}
