// expect-error: static assertion failed
// expect-error: eddy: the handlers of a select must return the same type
// only-error
#include <eddy/future/on.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::task<int> a, eddy::task<int> b) {
#ifdef EDDY_CONTROL
    co_await eddy::select(eddy::on(std::move(a), [](int) {}), eddy::on(std::move(b), [](int) {}));
#else
    co_await eddy::select(eddy::on(std::move(a), [](int) {}), eddy::on(std::move(b), [](int) { return 1; }));
#endif
}
