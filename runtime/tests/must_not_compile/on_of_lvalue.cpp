// expect-error: static assertion failed
// expect-error: eddy: on() takes ownership of its future: write std::move(f), or std::ref(f) to keep it
// only-error
#include <eddy/future/on.hpp>
#include <eddy/future/select.hpp>
#include <eddy/task/task.hpp>

#include <functional>

eddy::task<void> use(eddy::task<int> a) {
#ifdef EDDY_CONTROL
    co_await eddy::select(eddy::on(std::ref(a), [](int) {}));
#else
    co_await eddy::select(eddy::on(a, [](int) {}));
#endif
}
