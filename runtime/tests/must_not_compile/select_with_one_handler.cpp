// expect-error: static assertion failed
// expect-error: eddy: each branch of this select needs a handler, on(future, handler), or none of them has one
// only-error
#include <eddy/future/on.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::task<int> a, eddy::task<int> b) {
#ifdef EDDY_CONTROL
    co_await eddy::select(eddy::on(std::move(a), [](int) {}), eddy::on(std::move(b), [] {}));
#else
    co_await eddy::select(eddy::on(std::move(a), [](int) {}), std::move(b));
#endif
}
