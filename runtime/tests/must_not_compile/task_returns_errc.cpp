// expect-error: static assertion failed
// expect-error: eddy: to end a coroutine with an error, write `co_return std::unexpected(error);`
// only-error
#include <eddy/task/task.hpp>

#include <expected>
#include <system_error>

eddy::task<eddy::result<int>> use() {
#ifdef EDDY_CONTROL
    co_return std::unexpected(std::errc::timed_out);
#else
    co_return std::errc::timed_out;
#endif
}
