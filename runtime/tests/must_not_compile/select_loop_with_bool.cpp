// expect-error: static assertion failed
// expect-error: eddy: a handler of select_loop returns flow::next or flow::stop, not a bool
// only-error
#include <eddy/stream/select_loop.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>

#include <functional>

eddy::task<void> use(eddy::sync::mpsc<int>::receiver rx) {
#ifdef EDDY_CONTROL
    co_await eddy::select_loop(eddy::on(std::ref(rx), [](int n) { return n ? eddy::flow::next : eddy::flow::stop; }));
#else
    co_await eddy::select_loop(eddy::on(std::ref(rx), [](int n) { return n != 0; }));
#endif
}
