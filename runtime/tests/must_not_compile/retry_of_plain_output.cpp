// expect-error: static assertion failed
// expect-error: eddy: retry repeats what fails, so the function must return a future of a result<T>
// only-error
#include <eddy/future/retry.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#ifdef EDDY_CONTROL
eddy::task<eddy::result<int>> attempt();
#else
eddy::task<int> attempt();
#endif

eddy::task<void> use() {
    static_cast<void>(co_await eddy::retry(eddy::time::backoff(), [] { return attempt(); }));
}
