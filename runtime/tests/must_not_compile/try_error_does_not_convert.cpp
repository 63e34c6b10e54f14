// The future's error is not a std::error_code and has no conversion to one.
//
// expect-error: static assertion failed
// expect-error: eddy: this error does not convert to the coroutine's error type; use map_err first
#include <eddy/task/task.hpp>

#include <string>

#ifdef EDDY_CONTROL
using error = eddy::errc;
#else
using error = std::string;
#endif

eddy::task<std::expected<int, error>> number();

eddy::task<eddy::result<int>> use() { co_return co_await eddy::try_(number()); }
