// expect-error: eddy: this takes ownership of its object: write std::move(x).f(...), not x.f(...)
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <utility>

eddy::task<void> use(eddy::streams::once_stream<int> items) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await std::move(items).count());
#else
    static_cast<void>(co_await items.count());
#endif
}
