// If nothing can fail, use fold().
//
// expect-error: static assertion failed
// expect-error: eddy: neither the items nor the function's results are a std::expected; use fold()
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <functional>

eddy::task<int> use(eddy::streams::once_stream<int> items) {
#ifdef EDDY_CONTROL
    co_return co_await std::move(items).fold(0, std::plus());
#else
    co_return co_await std::move(items).try_fold(0, std::plus());
#endif
}
