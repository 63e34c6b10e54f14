// Compares a select that is not awaited with a number, by `<`.
//
// expect-error: static assertion failed
// expect-error: eddy: this is a future: co_await it, and compare the index() of its output
// only-error
// max-lines: 5
// covers: I20.3.10
#include <eddy/future/select.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>

eddy::task<bool> use(eddy::sync::mpsc<int>::receiver rx, eddy::task<int> other) {
#ifdef EDDY_CONTROL
    const auto event = co_await eddy::select(rx.recv(), std::move(other));
    co_return event.index() < 1;
#else
    co_return eddy::select(rx.recv(), std::move(other)) < 1;
#endif
}
