// expect-error: static assertion failed
// expect-error: eddy: to end a coroutine with an error, write `co_return std::unexpected(error);`
// only-error
#include <eddy/task/task.hpp>

#include <expected>
#include <system_error>

eddy::task<eddy::result<void>> use(std::error_code error) {
#ifdef EDDY_CONTROL
    co_return std::unexpected(error);
#else
    co_return error;
#endif
}
