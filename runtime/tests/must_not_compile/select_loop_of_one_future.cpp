// A branch needs a new future in each round. The future of one recv() completes only once.
//
// expect-error: static assertion failed
// expect-error: eddy: select_loop needs a new future for each round: write on([&] { return rx.recv(); }, handler)
// only-error
#include <eddy/stream/select_loop.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>

#include <optional>

eddy::task<void> use(eddy::sync::mpsc<int>::receiver rx) {
#ifdef EDDY_CONTROL
    co_await eddy::select_loop(eddy::on([&] { return rx.recv(); }, [](std::optional<int>) {}));
#else
    co_await eddy::select_loop(eddy::on(rx.recv(), [](std::optional<int>) {}));
#endif
}
