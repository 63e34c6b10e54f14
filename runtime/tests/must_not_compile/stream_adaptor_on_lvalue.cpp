// An adaptor consumes its stream. Use by_ref() to keep the stream.
//
// expect-error: eddy: this takes ownership of its object: write std::move(x).f(...), not x.f(...)
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

eddy::task<int> use(eddy::streams::once_stream<int> items) {
#ifdef EDDY_CONTROL
    co_return co_await std::move(items).map([](int i) { return i; }).fold(0, [](int a, int b) { return a + b; });
#else
    co_return co_await items.map([](int i) { return i; }).fold(0, [](int a, int b) { return a + b; });
#endif
}
