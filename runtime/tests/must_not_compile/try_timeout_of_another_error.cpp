// expect-error: static assertion failed
// expect-error: eddy: try_timeout returns a result, and this error does not convert to std::error_code: use timeout()
// only-error
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/time/try_timeout.hpp>

#include <chrono>
#include <expected>
#include <string>

eddy::task<void> use(eddy::task<std::expected<int, std::string>> work) {
    const std::chrono::seconds limit(1);
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::time::timeout(limit, std::move(work)));
#else
    static_cast<void>(co_await eddy::time::try_timeout(limit, std::move(work)));
#endif
}
