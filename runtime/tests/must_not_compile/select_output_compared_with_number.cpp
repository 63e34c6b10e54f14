// expect-error: static assertion failed
// expect-error: eddy: the output of select is a std::variant: compare its index() with a number
// only-error
// max-lines: 5
// covers: I20.3.10
#include <eddy/future/select.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>

eddy::task<bool> use(eddy::sync::mpsc<int>::receiver rx, eddy::task<int> other) {
    auto event = co_await eddy::select(rx.recv(), std::move(other));
#ifdef EDDY_CONTROL
    co_return event.index() == 0;
#else
    co_return event == 0;
#endif
}
