// try_ refers to its argument, so its result cannot be awaited later.
//
// expect-error: static assertion failed
// expect-error: eddy: try_ refers to its argument, so it must be awaited in the same expression
#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

eddy::task<eddy::result<int>> use() {
#ifdef EDDY_CONTROL
    const int got = co_await eddy::try_(eddy::ready(eddy::ok(1)));
#else
    auto later = eddy::try_(eddy::ready(eddy::ok(1)));
    const int got = co_await later;
#endif
    co_return got;
}
