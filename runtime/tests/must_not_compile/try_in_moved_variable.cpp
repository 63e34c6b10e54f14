// try_ refers to its argument, which is a temporary object here: it is destroyed before the await.
//
// expect-error: static assertion failed
// expect-error: eddy: try_ refers to its argument, so it must be awaited in the same expression
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/task/task.hpp>

eddy::task<eddy::result<int>> get() { co_return 1; }

eddy::task<eddy::result<int>> use() {
#ifdef EDDY_CONTROL
    const int got = co_await eddy::try_(get());
#else
    auto later = eddy::try_(get());
    const int got = co_await std::move(later);
#endif
    co_return got;
}
