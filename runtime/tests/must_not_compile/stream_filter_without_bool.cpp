// The function of filter() must return whether the item stays in the stream.
//
// expect-error: static assertion failed
// expect-error: eddy: this needs a function that returns a bool, or a future of one
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

eddy::task<std::size_t> use(eddy::streams::once_stream<int> items) {
#ifdef EDDY_CONTROL
    co_return co_await std::move(items).filter([](int i) -> eddy::task<bool> { co_return i > 3; }).count();
#else
    co_return co_await std::move(items).filter([](int i) -> eddy::task<void> { co_return; }).count();
#endif
}
