// expect-error: static assertion failed
// expect-error: eddy: this handler ignores the output of its branch, which may be an error
// only-error
#include <eddy/future/on.hpp>
#include <eddy/future/select.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::task<eddy::result<int>> a) {
#ifdef EDDY_CONTROL
    co_await eddy::select(eddy::on(std::move(a), [](eddy::result<int>) {}));
#else
    co_await eddy::select(eddy::on(std::move(a), [] {}));
#endif
}
