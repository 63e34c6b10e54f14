// The same, for a future with more template arguments than types.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/sync/once_cell.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> use(eddy::sync::once_cell<int>& cell, std::unique_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto made = cell.get_or_init([p = std::move(p)]() -> eddy::task<int> { co_return *p; });
    co_return *co_await made;
#else
    co_return *co_await cell.get_or_init([p = std::move(p)]() -> eddy::task<int> { co_return *p; });
#endif
}
